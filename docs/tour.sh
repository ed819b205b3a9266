#!/usr/bin/env bash
# A tour of the gateway for whoever has never seen it: one order, paid and given back.
#
#   gateway demo                                       # in another terminal; it prints a secret key
#   SECRET_KEY=sk_test_… docs/tour.sh                  # Stripe
#   SECRET_KEY=sk_test_… PROVIDER=paypal docs/tour.sh  # PayPal: the same, but for one word
#
# From the environment: SECRET_KEY, and where they differ from the demo's own URL (the gateway),
# SANDBOX_URL (the stand-in providers) and PROVIDER. Needs bash, curl and python3.
set -euo pipefail

URL=${URL:-http://127.0.0.1:8000}
SANDBOX_URL=${SANDBOX_URL:-http://127.0.0.1:8001}
PROVIDER=${PROVIDER:-stripe}
: "${SECRET_KEY:?set it to the secret key that gateway demo has printed}"
RUN=$(date +%s)-$$ # makes the Idempotency-Keys of this run its own

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() { echo "tour: $*" >&2 && exit 1; }

# call METHOD PATH [IDEMPOTENCY-KEY] [BODY]: prints what it sends, leaves the answer in $answer.
call() {
  local method=$1 path=$2 key=${3:-} body=${4:-}
  echo "  $method $path${key:+   Idempotency-Key: $key}"
  [ -z "$body" ] || echo "  $body"
  answer=$(curl -sS --fail-with-body -X "$method" "$URL$path" \
    -H "Authorization: Bearer $SECRET_KEY" -H 'Content-Type: application/json' \
    ${key:+-H "Idempotency-Key: $key"} ${body:+-d "$body"}) || fail "$answer"
}

# get EXPRESSION: a value out of the answer, as Python would write it: get "['id']".
get() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)" <<<"$answer"; }

# show NAME…: these members of the answer.
show() {
  python3 -c '
import json, sys
answer = json.load(sys.stdin)
print(json.dumps({name: answer[name] for name in sys.argv[1:]}, indent=2))' "$@" <<<"$answer" |
    sed 's/^/    /'
}

# wait_until STATUS: read the order until it is in this status, and then a few times more for its fee, which
# some providers tell a moment later, and some never.
wait_until() {
  local tries more=10
  for tries in $(seq 100); do
    answer=$(curl -sS "$URL/v1/orders/$order" -H "Authorization: Bearer $SECRET_KEY")
    if [ "$(get "['status']")" = "$1" ]; then
      if [ "$(get "['fee']")" != None ] || [ $((more -= 1)) -lt 0 ]; then return; fi
    fi
    sleep 0.1
  done
  fail "the order is not $1 after ten seconds: $answer"
}

step "1. The catalogue: prices are the server's, a shop only names products"
call GET /v1/products
product=$(get "['data'][0]['id']")
echo "    $(get "['data'][0]['name']"): $product"

step "2. An order of two, to be paid with $PROVIDER"
call POST /v1/orders "tour-$RUN-order" '{"provider": "'"$PROVIDER"'", "currency": "USD",
   "items": [{"product": "'"$product"'", "quantity": 2}],
   "success_url": "https://shop.example/thanks", "cancel_url": "https://shop.example/cart"}'
show id status amount currency checkout_url
order=$(get "['id']") amount=$(get "['amount']")
checkout=$(get "['payments'][0]['provider_order_id']")

step "3. The buyer pays on the provider's page (checkout_url); here the sandbox plays the buyer"
echo "  POST $SANDBOX_URL/_control/buyer"
curl -sS --fail-with-body -o /dev/null "$SANDBOX_URL/_control/buyer" \
  -d '{"provider": "'"$PROVIDER"'", "id": "'"$checkout"'", "action": "pay"}'

step "4. The provider's signed webhook reaches the gateway, and by that alone the order is paid"
wait_until paid
echo "  GET /v1/orders/$order"
show status amount amount_captured fee net paid_at

step "5. Half of it back; and the same request again, as after a lost answer: one refund"
half=$((amount / 2))
for _ in 1 2; do
  call POST "/v1/orders/$order/refunds" "tour-$RUN-half" '{"amount": '$half', "reason": "One was broken"}'
  show id status amount
done
wait_until partially_refunded
show status amount_refunded amount_refundable
[ "$(get "['amount_refunded']")" = "$half" ] || fail "that was not one refund"

step "6. Without an amount: all that is left"
call POST "/v1/orders/$order/refunds" "tour-$RUN-rest" '{}'
show id status amount
wait_until refunded
show status amount amount_captured amount_refunded amount_refundable

step "7. Why it is so: the order's timeline"
call GET "/v1/orders/$order/timeline"
python3 -c '
import json, sys
for entry in json.load(sys.stdin)["data"]:
    print("   ", entry["at"][11:19], entry["kind"].ljust(8), entry["summary"])' <<<"$answer"

step "Done: $order is $(curl -sS "$URL/v1/orders/$order" -H "Authorization: Bearer $SECRET_KEY" |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])')."
