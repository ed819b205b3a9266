// The shop works without this. With it, an order's page follows its order without reloading.
"use strict";

const TRIES = 240;
const announcer = document.getElementById("announce");

function busyWithForm(main) {
  const active = document.activeElement;
  return main.contains(active) && /^(INPUT|TEXTAREA|SELECT)$/.test(active.tagName);
}

function openedDetails(main) {
  return [...main.querySelectorAll("details[open][id]")].map((item) => item.id);
}

function take(page) {
  const old = document.querySelector("main");
  const fresh = document.adoptNode(page.querySelector("main"));
  if (fresh.dataset.version === old.dataset.version && fresh.dataset.poll === old.dataset.poll) return;
  if (busyWithForm(old)) return;
  const opened = openedDetails(old);
  const told = old.querySelector("[data-status]")?.textContent;
  old.replaceWith(fresh);
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  const now = fresh.querySelector("[data-status]")?.textContent;
  if (now && now !== told) announcer.textContent = now;
}

async function follow(tries) {
  if (!document.querySelector("main").dataset.poll || tries === 0) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // the server is away for a moment: look again
  }
  const pause = tries > TRIES - 20 ? 700 : 3000;
  setTimeout(follow, pause, tries - 1);
}

setTimeout(follow, 700, TRIES);

// Whoever clicks twice should see that the first click counted.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button) setTimeout(() => { button.disabled = true; }, 0);
});
window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[disabled]")) button.disabled = false;
});
