"""Canaries: known PINs and numbers go through the gateway, and are looked for everywhere after.

On the wire each may stand on its own side only; at rest, in logs and in answers nowhere.
"""

import base64
import json
from dataclasses import replace

import pytest

from gateway.app.specifications import Specifications, shipped_directory
from gateway.iso8583.codec import Codec
from gateway.iso8583.frames import FrameReader

SS_PIN, FINANCIAL_PIN, WEAK_PIN = "640738", "285063", "777777"


def forms(data):
    """Give what bytes may look like: raw, hexadecimal, base64 at any place in a longer value."""
    text = data.hex()
    coded = set()
    for before in range(3):
        padded = base64.b64encode(bytes(before) + data)
        coded.add(padded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6])
    coded |= {each.replace(b"+", b"-").replace(b"/", b"_") for each in coded}
    return [data, text.encode(), text.upper().encode(), *sorted(coded)]


def packed(digits):
    """Give digits as BCD, beginning in either half of a byte."""
    shifted = digits[1:]
    return [bytes.fromhex(each[: len(each) // 2 * 2]) for each in (digits, shifted)]


def texts(value):
    """Give a text as it might be written: UTF-8, UTF-16, hexadecimal, base64, and BCD."""
    data = value.encode()
    found = [*forms(data), value.encode("utf-16-le")]
    return found + (packed(value) if value.isdecimal() and len(value) > 9 else [])


def messages(side, records):
    """Decode what one direction of a wire carried."""
    codec = Codec(Specifications(shipped_directory()).dialect(side))
    for record in records:
        for frame in FrameReader(codec.dialect.framing).feed(bytes(record)):
            if frame.payload:
                yield codec.decode(frame.payload)


@pytest.fixture
def story(brief_town, newcomer):
    """Play everything that carries a PIN or a number, faults included; give what was said."""
    town = brief_town
    said = []
    begun = {side: len(wire.to_peer) for side, wire in town.wires.items()}
    town.gateway.stop()  # so that each wire's records begin and end with a connection
    town.restart_gateway()
    citizen, stranger = newcomer(fresh=True, of=town), newcomer(of=town)
    said.append(citizen.ask_link(contact_address="测试路640号"))
    said.append(citizen.ask_link())
    said.append(stranger.ask_link(ss_card_number=citizen.who.card))
    said.append(citizen.bank.get(f"/v1/links/{citizen.link}"))
    said.append(citizen.set_pin(WEAK_PIN))
    said.append(citizen.set_pin(citizen.who.at_bank.mobile[-6:]))
    town.bureau_peer.fault("pin-set", "drop_answer")
    said.append(citizen.set_pin(SS_PIN))
    town.core_peer.fault("account-activation", "garble_mac")
    said.append(citizen.activate(FINANCIAL_PIN, "sms"))
    said += [
        replace(answer, body=citizen.operation(answer))
        for answer in said
        if "operation" in answer.body and answer.body.get("code") != "NOT_CONFIRMED"
    ]
    town.bureau_peer.fault("link-remove", "close_mid_frame")
    said.append(citizen.unlink())
    town.wait_until_ready()
    return town, citizen.who, said, begun


def test_no_pin_and_no_number_is_found_where_it_does_not_belong(story):
    """No PIN, PIN block or full number at rest, in a log or an answer; each side has its own."""
    town, who, said, begun = story
    assert [answer.status for answer in said[:4]] == [201, 409, 422, 200]
    assert [answer.status for answer in said[6:8]] == [200, 200]
    sent = {side: wire.to_peer[begun[side] :] for side, wire in town.wires.items()}
    heard = {side: wire.to_gateway[begun[side] :] for side, wire in town.wires.items()}
    blocks = {
        side: {
            bytes(message.fields[52]) for message in messages(side, records) if 52 in message.fields
        }
        for side, records in sent.items()
    }
    assert {side: len(found) for side, found in blocks.items()} == {"bureau": 1, "core": 1}

    numbers = [who.card, who.pan, who.at_bank.citizen_id, who.at_bank.mobile]
    hidden = [form for text in (SS_PIN, FINANCIAL_PIN) for form in forms(text.encode())]
    hidden += [form for found in blocks.values() for block in found for form in forms(block)]
    hidden += [form for number in [*numbers, who.customer] for form in texts(number)]
    for place, content in at_rest(town, said).items():
        assert [form for form in hidden if form in content] == [], place
    check_wires(who, blocks, sent, heard)


def at_rest(town, said):
    """Give everything that stays, and everything that was answered."""
    files = [path for path in town.directory.rglob("*") if path.is_file()]
    found = {str(path): path.read_bytes() for path in files if "keys" not in path.parts}
    names = {path.name for path in files}
    assert {"gateway.db", "gateway.db-wal", "gateway.log", "bureau.log", "core.log"} <= names
    answers = json.dumps([[answer.body, answer.headers] for answer in said], ensure_ascii=False)
    return found | {"answers": answers.encode()}


def check_wires(who, blocks, sent, heard):
    """See that each side's wire carries its own numbers, and none of the other's."""
    wires = {
        side: b"|".join(bytes(record) for record in [*sent[side], *heard[side]]) for side in sent
    }
    own = {
        "bureau": [who.card.encode(), *blocks["bureau"]],
        "core": [packed(who.pan)[0], who.customer.encode(), *blocks["core"]],
    }
    never = {
        "bureau": [*texts(who.pan), *texts(who.customer)],
        "core": texts(who.card),
    }
    for block in blocks["bureau"]:
        never["core"] += forms(block)
    for block in blocks["core"]:
        never["bureau"] += forms(block)
    pins = [form for pin in (SS_PIN, FINANCIAL_PIN) for form in forms(pin.encode())]
    for side, carried in wires.items():
        assert [value for value in own[side] if value not in carried] == []
        assert [value for value in [*never[side], *pins] if value in carried] == []
