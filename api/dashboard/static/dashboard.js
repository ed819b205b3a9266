// Everything works without this; with it a form is sent once, and times tell the reader's own zone.
"use strict";

for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
      event.preventDefault();
      return;
    }
    // What is empty says nothing: the address stays short and can be shared.
    if (form.method === "get") {
      for (const field of form.elements) {
        if (field.name && field.name !== "q" && !field.value) field.disabled = true;
      }
      return;
    }
    // Not disabled at once: the button's own name and value are part of the form.
    setTimeout(() => {
      for (const button of form.querySelectorAll("button")) button.disabled = true;
    });
  });
}

// Back in the browser's history, the form is to be usable again.
window.addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("form :disabled")) field.disabled = false;
});

// The menu stands open beside the page, and is folded above it where there is no room.
const menu = document.querySelector(".menu");
if (menu) {
  const wide = window.matchMedia("(min-width: 64rem)");
  const fit = () => { menu.open = wide.matches; };
  wide.addEventListener("change", fit);
  fit();
}

for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  if (!Number.isNaN(at.valueOf())) time.title = at.toLocaleString();
}

// "/" goes to the search, as in many places.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select");
  const search = document.getElementById("q");
  if (event.key === "/" && !typing && search && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    search.focus();
  }
});
