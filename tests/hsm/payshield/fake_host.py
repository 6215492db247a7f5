"""A payment HSM for tests: real ciphers behind the documented layouts of its host commands.

It shares nothing with the driver: fields are cut here by hand, PIN blocks, MACs and key blocks are
made by psec, so that a mistake of the driver is not mirrored. Keys under the LMK are opaque
tokens that only this table opens.
"""

import asyncio
import secrets
import struct
from dataclasses import dataclass, field

from psec import des, mac, pin, pinblock, tr31

LMK_CHECK_VALUE = "268604CC5C3E2B5A"
FIRMWARE = "1500-0023"
AES_BYTES = 32  # only AES keys of 256 bits are made here, to tell them from TDES keys


class Failed(Exception):
    """A command ends with an error code."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


@dataclass
class Cut:
    """Cuts a request from the left."""

    data: bytes

    def take(self, length):
        if len(self.data) < length:
            raise Failed("15")
        taken, self.data = self.data[:length], self.data[length:]
        return taken

    def text(self, length):
        return self.take(length).decode("ascii")

    def number(self, length, base=10):
        return int(self.text(length), base)

    def follows(self, sign):
        if not self.data.startswith(sign):
            return False
        self.take(len(sign))
        return True

    def key(self):
        scheme = self.data[:1].decode()
        fixed = {"U": 33, "X": 33, "T": 49, "Y": 49}.get(scheme)
        return self.text(fixed or 1 + int(self.data[2:6]))

    def end(self):
        if self.data:
            raise Failed("15")


@dataclass
class Key:
    """A key inside the HSM: what it may do, and its value."""

    role: str  # ZMK, ZPK, TPK, ZAK, TAK, PVK
    value: bytes


USAGES = {"ZMK": "K0", "ZPK": "P0", "TPK": "71", "ZAK": "M3", "TAK": "M3", "PVK": "V2"}
TYPES = {"000": "ZMK", "001": "ZPK", "002": "TPK", "003": "TAK", "008": "ZAK"}


@dataclass
class FakeHost:
    """The HSM and its server on loopback; faults are set by command code."""

    header_characters: int = 8
    trailer: bytes = b""
    lmk: str = ""
    excluded: set = field(default_factory=set)  # the global table
    errors: dict = field(default_factory=dict)  # command → error code
    silent: set = field(default_factory=set)  # commands that are never answered
    late: dict = field(default_factory=dict)  # command → event before which it is not answered
    dropped: set = field(default_factory=set)  # commands at which the connection is cut
    garbage: dict = field(default_factory=dict)  # command → bytes sent instead of an answer
    held: int = 0  # so many answers are held back, and then sent in reverse
    bytewise: bool = False  # answers are sent byte by byte
    seen: list = field(default_factory=list)
    keys: dict = field(default_factory=dict)
    waiting: list = field(default_factory=list)
    connections: int = 0
    serving: list = field(default_factory=list)

    # ------------------------------------------------------------ keys

    def add(self, role, value, scheme="S"):
        """Put a key under the LMK and give its token."""
        if scheme in "SR":
            body = f"{USAGES[role]}TB00N0000{secrets.token_hex(28).upper()}"
            token = f"{scheme}0{len(body) + 5:04d}{body}"
        else:
            token = scheme + secrets.token_hex(len(value)).upper()
        self.keys[token] = Key(role, value)
        return token

    def open(self, token, *roles, error="10"):
        key = self.keys.get(token)
        if key is None:
            raise Failed("A4" if token[0] == "S" else error)
        if key.role not in roles:
            raise Failed("A6" if token[0] == "S" else error)
        return key.value

    def role_of(self, token):
        """Give what a key block says itself that it is for."""
        if token not in self.keys:
            raise Failed("A4")
        return self.keys[token].role

    @staticmethod
    def type_of(cut):
        code = cut.text(3)
        if code == "FFF":
            return None
        if code not in TYPES:
            raise Failed("28")
        return TYPES[code]

    # ------------------------------------------------------------ server

    async def serve(self):
        self.server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.address = self.server.sockets[0].getsockname()

    async def stop(self):
        """End, once the client has closed its end."""
        self.server.close()
        await asyncio.gather(*self.serving)

    async def _connected(self, reader, writer):
        self.connections += 1
        self.serving.append(asyncio.current_task())
        try:
            while True:
                (length,) = struct.unpack(">H", await reader.readexactly(2))
                await self._message(await reader.readexactly(length), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _message(self, message, writer):
        header, code, rest = self._parts(message)
        self.seen.append((code, message))
        if code in self.dropped:
            raise ConnectionResetError
        if code in self.silent:
            return
        if code in self.garbage:
            writer.write(self.garbage[code])
            return
        answer = header + self._answer(code, rest) + self.trailer
        frame = struct.pack(">H", len(answer)) + answer
        if code in self.late:
            self.serving.append(asyncio.create_task(self._later(self.late[code], frame, writer)))
            return
        await self._send(frame, writer)

    async def _later(self, event, frame, writer):
        await event.wait()
        await self._send(frame, writer)

    def _parts(self, message):
        assert message.endswith(self.trailer)
        message = message[: len(message) - len(self.trailer)]
        end = self.header_characters
        return message[:end], message[end : end + 2].decode(), message[end + 2 :]

    async def _send(self, frame, writer):
        self.waiting.append(frame)
        if len(self.waiting) < self.held:
            return
        frames, self.waiting = self.waiting[::-1], []
        for one in frames:
            if not self.bytewise:
                writer.write(one)
                continue
            for byte in one:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)

    def _answer(self, code, rest):
        response = (code[0] + chr(ord(code[1]) + 1)).encode()
        if code in self.errors:
            return response + self.errors[code].encode()
        command = getattr(self, f"do_{code.lower()}", None)
        if command is None:
            return response + b"67"
        try:
            error_code, fields = command(Cut(rest))
        except Failed as failed:
            return response + failed.code.encode()
        return response + error_code.encode() + fields

    def end(self, cut):
        """Nothing but the identifier of the LMK may be left."""
        if self.lmk and cut.text(3) != f"%{self.lmk}":
            raise Failed("13")
        cut.end()

    # ------------------------------------------------------------ diagnostics

    def do_nc(self, cut):
        self.end(cut)
        return "00", (LMK_CHECK_VALUE + FIRMWARE).encode()

    def do_b2(self, cut):
        data = cut.take(cut.number(4, 16))
        self.end(cut)
        return "00", data

    # ------------------------------------------------------------ keys under ZMKs

    def do_a0(self, cut):
        mode, type_, scheme = cut.text(1), self.type_of(cut), cut.text(1)
        zmk = None
        if mode == "1":
            assert cut.follows(b";0")
            zmk, zmk_scheme = self.open(cut.key(), "ZMK"), cut.text(1)
        if self.lmk and cut.text(3) != f"%{self.lmk}":
            raise Failed("13")
        if type_ is None:
            if not cut.follows(b"#"):
                raise Failed("15")
            usage, algorithm = cut.text(2), cut.text(2)
            assert algorithm == "T2"
            assert len(cut.text(4)) == 4  # mode of use, version, exportability
            assert cut.text(2) == "00"
            type_ = next(role for role, code in USAGES.items() if code == usage)
        cut.end()
        value = odd(secrets.token_bytes(16))
        key = self.add(type_, value, scheme)
        out = wrapped(zmk, type_, value, zmk_scheme) if zmk else ""
        return "00", (key + out + check_value(value)).encode()

    def do_a6(self, cut):
        type_, zmk, token, scheme = self.type_of(cut), cut.key(), cut.key(), cut.text(1)
        self.end(cut)
        usage, value = unwrapped(self.open(zmk, "ZMK"), token)
        role = type_ or next(role for role, code in USAGES.items() if code == usage)
        warning = "00" if value == odd(value) else "01"
        return warning, (self.add(role, value, scheme) + check_value(value)).encode()

    def do_a8(self, cut):
        type_, zmk, token, scheme = self.type_of(cut), cut.key(), cut.key(), cut.text(1)
        self.end(cut)
        role = type_ or self.role_of(token)
        value = self.open(token, role, error="11")
        out = wrapped(self.open(zmk, "ZMK"), role, value, scheme)
        return "00", (out + check_value(value)).encode()

    def do_bu(self, cut):
        assert cut.text(2) == "FF"
        flag, token = cut.text(1), cut.key()
        if flag != {"U": "1", "X": "1", "T": "2", "Y": "2", "S": "F", "R": "F"}[token[0]]:
            raise Failed("05")
        assert cut.follows(b";")
        role = self.type_of(cut) or self.role_of(token)
        assert cut.follows(b";001")
        self.end(cut)
        return "00", check_value(self.open(token, role)).encode()

    # ------------------------------------------------------------ PINs

    def do_ca(self, cut):
        return self._translate(cut, "TPK")

    def do_cc(self, cut):
        return self._translate(cut, "ZPK")

    def _translate(self, cut, role):
        source = self.open(cut.key(), role)
        target = self.open(cut.key(), "ZPK", error="11")
        assert cut.text(2) == "12"
        block, format_ = self._block(cut, source)
        target_format = cut.text(2)
        account = self._account(cut, format_, target_format)
        self.end(cut)
        if target_format == "05" != format_:
            raise Failed("23")
        digits = pin_of(source, block, format_, account)
        out = block_of(target, digits, target_format, account)
        return "00", f"{len(digits):02d}{out.hex().upper()}{target_format}".encode()

    def do_fw(self, cut):
        source = self._source(cut)
        pvk = self.open(cut.key(), "PVK", error="11")
        block, format_ = self._block(cut, source)
        account = self._account(cut, format_)
        pvki = cut.text(1)
        excluded = self._excluded(cut)
        self.end(cut)
        digits = pin_of(source, block, format_, account)
        self._check_excluded(digits, excluded)
        # A PVV is made of the PIN's four leftmost digits.
        pvv = pin.generate_visa_pvv(pvk, pvki, digits[:4], account[-12:].rjust(13, "0"))
        return "00", pvv.encode()

    def do_bk(self, cut):
        source = self._source(cut)
        self.open(cut.key(), "PVK", error="11")
        block, format_ = self._block(cut, source)
        assert cut.number(2) in range(4, 13)
        account = cut.text(12)
        assert len(cut.text(16) + cut.text(12)) == 28
        excluded = self._excluded(cut)
        self.end(cut)
        self._check_excluded(pin_of(source, block, format_, account), excluded)
        return "02", b"1234FFFFFFFF"

    def _source(self, cut):
        type_, token = self.type_of(cut), cut.key()
        return self.open(token, *([type_] if type_ else ["TPK", "ZPK"]))

    @staticmethod
    def _block(cut, key):
        # The format comes after the block; how long that is goes by the cipher of the key.
        return bytes.fromhex(cut.text(32 if len(key) == AES_BYTES else 16)), cut.text(2)

    @staticmethod
    def _account(cut, *formats):
        if "48" in formats:
            account, _, cut.data = cut.data.partition(b";")
            return account.decode()
        return cut.text(12)

    @staticmethod
    def _excluded(cut):
        if not cut.follows(b"*"):
            return []
        count, length = cut.number(2), cut.number(2)
        return [cut.text(length) for _ in range(count)]

    def _check_excluded(self, digits, excluded):
        if excluded and len(digits) != len(excluded[0]):
            raise Failed("81")
        if digits in self.excluded or digits in excluded:
            raise Failed("86")

    # ------------------------------------------------------------ MACs

    def do_m6(self, cut):
        made, _ = self._mac(cut)
        self.end(cut)
        return "00", made.encode()

    def do_m8(self, cut):
        made, digits = self._mac(cut)
        given = cut.text(digits)
        self.end(cut)
        return ("00" if given == made else "01"), b""

    def _mac(self, cut):
        flags = cut.text(5)
        if flags[:2] != "00" or flags[3] != "3":
            raise Failed("02")
        type_, token = self.type_of(cut), cut.key()
        key = self.open(token, *([type_] if type_ else ["ZAK", "TAK"]))
        data = cut.take(cut.number(4, 16))
        digits = {"0": 8, "1": 16}[flags[2]]
        made = mac.generate_retail_mac(key[:8], key[8:], data, int(flags[4]))
        return made.hex().upper()[:digits], digits


def odd(key):
    """Set odd parity."""
    return bytes(byte ^ (byte.bit_count() + 1) % 2 for byte in key)


def check_value(key):
    """Key check value of a TDES or AES key, 6 digits."""
    return des.generate_kcv(key, 3).hex().upper()


def wrapped(zmk, role, value, scheme):
    """Put a key under a ZMK: ECB for X, a TR-31 block for R."""
    if scheme == "R":
        header = tr31.Header("B", USAGES[role], "T", "B", "00", "N")
        return "R" + tr31.wrap(zmk, header, value)
    if scheme == "X":
        return "X" + des.encrypt_tdes_ecb(zmk, value).hex().upper()
    raise Failed("26")


def unwrapped(zmk, token):
    """Take a key from under a ZMK, with its usage where it has one."""
    if token[0] == "R":
        try:
            header, value = tr31.unwrap(zmk, token[1:])
        except tr31.KeyBlockError:
            raise Failed("A4") from None
        return header.key_usage, value
    if token[0] == "X":
        return None, des.decrypt_tdes_ecb(zmk, bytes.fromhex(token[1:]))
    raise Failed("26")


def with_check_digit(account):
    """Give an account number that has a check digit at its end, whichever."""
    return account + "0" if len(account) == 12 else account


def block_of(key, digits, format_, account):
    """Build and encipher a PIN block; `account` is 12 digits without check digit, or whole."""
    number = with_check_digit(account)
    match format_:
        case "01":
            clear = pinblock.encode_pinblock_iso_0(digits, number)
        case "05":
            filling = secrets.token_hex(8)
            clear = bytes.fromhex(f"1{len(digits):X}{digits}{filling}"[:16])
        case "47":
            clear = pinblock.encode_pinblock_iso_3(digits, number)
        case "48":
            return pinblock.encipher_pinblock_iso_4(key, digits, account)
        case _:
            raise Failed("23")
    return des.encrypt_tdes_ecb(key, clear)


def pin_of(key, block, format_, account):
    """Decipher a PIN block; ends with 20 when there is no PIN in it."""
    if format_ == "48":
        return _or_20(lambda: pinblock.decipher_pinblock_iso_4(key, block, account))
    clear = des.decrypt_tdes_ecb(key, block)
    number = with_check_digit(account)
    match format_:
        case "01":
            return _or_20(lambda: pinblock.decode_pinblock_iso_0(clear, number))
        case "47":
            return _or_20(lambda: pinblock.decode_pinblock_iso_3(clear, number))
        case "05":
            return _format_1(clear.hex())
    raise Failed("23")


def _or_20(decode):
    try:
        return decode()
    except ValueError:
        raise Failed("20") from None


def _format_1(nibbles):
    length = int(nibbles[1], 16)
    digits = nibbles[2 : 2 + length]
    if nibbles[0] != "1" or not digits.isdigit():
        raise Failed("20")
    if not 4 <= length <= 12:
        raise Failed("24")
    return digits
