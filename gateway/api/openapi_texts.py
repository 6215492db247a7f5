"""The prose of the OpenAPI document, and the headers that many operations share."""

from gateway.api.bodies import ENCRYPTED_PIN_CHARACTERS_MAX
from gateway.api.fields import JsonObject
from gateway.api.request_reading import BODY_BYTES_MAX, BODY_SECONDS_MAX
from gateway.regions.vocabulary import PIN_PROOFS, Proof
from gateway.terms.numbers import CustomerNumber, LinkId, OperationId

DESCRIPTION = f"""\
Links social-security cards to bank accounts, sets the SS PIN without the old one, and activates
the financial account.

## The usual course

1. `GET /v1/agencies`: which institutions are served, and their PIN rules.
2. `POST /v1/links`: link the customer's card to the customer's account. Keep `link`.
3. `POST /v1/links/{{link}}/pin-sessions` with `{{"purpose": "ss-pin"}}`: nonce and key for one PIN.
4. Encrypt the new PIN in the browser (below), then `PUT /v1/links/{{link}}/ss-pin`.
5. `POST /v1/links/{{link}}/pin-sessions` with `{{"purpose": "financial-pin"}}`, encrypt, then
   `POST /v1/activations`.

## Every request

- `Authorization: Bearer TOKEN` names the channel, on everything under `/v1`.
- `Customer-Number` names the bank's customer for whom the channel asks. What belongs to another
  customer is answered like what does not exist: 404.
- `Proofs` says what the channel has seen of the customer, such as `citizen-id, card-present`. What
  a region grants on which proofs stands in `GET /v1/agencies`; what it does not grant is answered
  403, and `not_granted` says what is missing, where else it is done, and how (一次性告知单).
  A PIN is never attested: it is proved by its encrypted form. Without the header online banking
  attests `session`, and any other channel nothing.
- Bodies are JSON (RFC 8259) in UTF-8 with `Content-Type: application/json`, at most
  {BODY_BYTES_MAX} bytes, received within {BODY_SECONDS_MAX} seconds. No member twice, none that is
  not described, no coercion of types. There are no query parameters.
- `Request-Id` may be sent and is always returned; quote it to operations.

## State changes: Idempotency-Key

Every POST, PUT and DELETE carries `Idempotency-Key`, a fresh random text such as a UUID for each
intention of the customer. Repeat a request whose answer did not arrive with the *same* key and
body: it is carried out once, and the stored answer comes with `Idempotent-Replayed: true`.
While the first request runs a repeat is answered 409 `IN_PROGRESS`; the same key with another body,
path or customer 422 `IDEMPOTENCY_KEY_REUSED`; no key 400 `IDEMPOTENCY_KEY_MISSING`.

## Outcomes

- **200, 201**: done. After an activation the financial account is active; the SS account follows
  by itself, and `ss_account` in the operation says when and how far it is.
- **202** with `Location`: taken on, not settled. It is neither a failure nor to be asked for anew
  under another key. Read the operation there, or be told of its outcome by a callback
  (`webhooks`) where the gateway's operator has set one up; what to do follows from its `state`:
  - `pending`: under way. Read it again after a second.
  - `unknown` (an SS PIN only): the bureau's answer was lost, so the old or the new PIN may be in
    force, and the gateway cannot ask which. Only a late answer still settles it, so do not wait:
    open a new PIN session and let the customer set the PIN again. For about a minute, while the
    earlier message may still be delivered, that and any other change through the link is answered
    409 `EARLIER_PIN_OPEN`; `Retry-After` says when to go on.
  - `manual`: the bank's staff has to find out, and settles it then. After an unlinking any other
    change through the link is answered 409 `UNLINKING_OPEN` until then; a loss is taken down.
  - `succeeded`, `failed`: settled for good; a failed one has its `refusal`.
- **4xx, 5xx** as `application/problem+json` (RFC 9457): not done, and what was begun is undone,
  but for two: 409 `IN_PROGRESS` (the same request, or another change of the link, is under way)
  and 500 `INTERNAL_ERROR` (how far it came is not known). Repeat either under the same key, and it
  is carried out once.

Programs decide by `code` and `next_action`; `user_message` is ready to show to the customer in
Chinese and English; `errors` lists places and rules, never values.

## Encrypting a PIN

The PIN is encrypted where it is typed, so that no web backend sees it. `encrypted_pin` is a JWE in
compact serialisation (RFC 7516, 7.1), at most {ENCRYPTED_PIN_CHARACTERS_MAX} characters, made so:

1. Open a PIN session. Take `nonce`, `kid` and `expires_at` from the answer. A session serves one
   attempt, successful or not; opening another for the same link and purpose ends it.
2. Take from `GET /v1/jwks.json` the key whose `kid` is the session's. Its `purpose` is the
   session's, its `kty` `EC` and `crv` `P-256`; do not use it after `not_after`.
3. The plaintext is this JSON object in UTF-8, with exactly two members, both strings: `pin`, the
   digits as typed (ASCII `0` to `9`), and `nonce`, unchanged from the session. No escape
   sequences are needed, and none are accepted:
   `{{"pin":"…","nonce":"…"}}`
   For a PIN of the e-card a third one may follow, `other_than`: the card's own SS PIN, where the
   holder types it in the same form. The security module compares the two, keeps neither, and
   refuses equal ones as `PIN_AS_CARD_PIN` before anything is sent. Without it only the e-card
   platform can compare.
4. The protected header has `alg` `ECDH-ES` (direct key agreement, RFC 7518, 4.6), `enc`
   `A256GCM` (RFC 7518, 5.3), `kid` as above, and `epk`, the ephemeral public key on the same
   curve, which JOSE libraries add themselves. Neither `apu`, `apv`, `zip`, nor any other member.
5. The key is derived with Concat KDF, AlgorithmID `A256GCM`, 256 bits; the initialisation vector
   is 96 random bits; the additional data is the encoded protected header. The result has five
   parts, the second one empty: `HEADER..IV.CIPHERTEXT.TAG`.

With the JavaScript library jose:

```js
const key = await importJWK(jwk, 'ECDH-ES')
const encrypted_pin = await new CompactEncrypt(
  new TextEncoder().encode(JSON.stringify({{ pin, nonce }})))
  .setProtectedHeader({{ alg: 'ECDH-ES', enc: 'A256GCM', kid }})
  .encrypt(key)
```

With the Python library joserfc:

```python
key = ECKey.import_key(jwk)
header = {{"alg": "ECDH-ES", "enc": "A256GCM", "kid": kid}}
encrypted_pin = jwe.encrypt_compact(header, json.dumps({{"pin": pin, "nonce": nonce}}), key)
```

Any envelope that cannot be opened is answered `PIN_ENVELOPE`, whatever the cause.

A channel with PIN pads of its own (a branch, a machine) sends `pin_block` in the envelope's place,
wherever a PIN is asked for, a new one or the one in force: the pad's PIN block under the key agreed
for this channel, in hexadecimal digits. Session, PIN rules, limits and answers are the same.
Format 1 is turned into the far side's format; format 0, 3 or 4 only into one that binds the same
number. One block is taken in one way only: repeat it unchanged, or take the PIN anew. From other
channels, `pin_block` is refused.
"""


def _parameter(place: str, name: str, description: str, schema: JsonObject) -> JsonObject:
    required = name not in {"Proofs", "Request-Id"}
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": description,
        "schema": {"type": "string"} | schema,
    }


_PROOFS = [each for each in Proof if each not in PIN_PROOFS]
_ATTESTABLE = f"[ \\t]*({'|'.join(each.value for each in _PROOFS)})[ \\t]*"

PARAMETERS: JsonObject = {
    "Customer-Number": _parameter(
        "header",
        "Customer-Number",
        "The bank's own number of the customer for whom the channel asks.",
        {"pattern": f"^{CustomerNumber.pattern.pattern}$", "examples": ["C000000001"]},
    ),
    "Idempotency-Key": _parameter(
        "header",
        "Idempotency-Key",
        "A fresh text for each intention, the same for each repeat of it.",
        {
            "pattern": "^[\\x21-\\x7e]{1,255}$",
            "examples": ["7b0c9e3e-6f0e-4a53-9d2b-0f6a4f6f3c11"],
        },
    ),
    "Proofs": _parameter(
        "header",
        "Proofs",
        "What the channel attests, separated by commas: "
        + ", ".join(f"`{each.value}` ({each.en})" for each in _PROOFS)
        + ".",
        {
            "pattern": f"^{_ATTESTABLE}(,{_ATTESTABLE})*$",
            "examples": ["citizen-id, card-present"],
        },
    ),
    "Request-Id": _parameter(
        "header",
        "Request-Id",
        "The caller's own reference, 1 to 64 letters, digits, `_` and `-`; one is made if it is "
        "absent or of another form.",
        {},
    ),
    "link": _parameter("path", "link", "The link.", {"pattern": f"^{LinkId.pattern.pattern}$"}),
    "operation": _parameter(
        "path", "operation", "The operation.", {"pattern": f"^{OperationId.pattern.pattern}$"}
    ),
}

HEADERS: JsonObject = {
    "Request-Id": {
        "description": "The request's id, the caller's own where one was sent.",
        "schema": {"type": "string"},
    },
    "Idempotent-Replayed": {
        "description": "`true` when an earlier request with this key had begun the operation.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Location": {
        "description": "Path of the link that was made, or of the operation to read.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {
        "description": "Seconds to wait before asking again.",
        "schema": {"type": "integer", "minimum": 1},
    },
}
