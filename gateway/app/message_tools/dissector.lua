-- A Wireshark dissector for one dialect, generated from its specification.
--
-- Runs in Lua 5.1 to 5.4 (no bit operators). Values are masked as the gateway masks them; the bytes
-- pane, -x and raw output of Wireshark show what is on the wire all the same.
local dialect = require("dialect") -- the generator puts the table here

local framing = dialect.framing
local proto = Proto(dialect.proto, dialect.title)
local fields, experts = {}, {}

local function string_field(key, title)
    fields[key] = ProtoField.string(dialect.proto .. "." .. key, title)
end

string_field("length", "Length")
string_field("tpdu", "TPDU")
string_field("header", "Header")
string_field("mti", "MTI (Message type indicator)")
string_field("bitmap", "Bitmap")
local function division_fields(key, place, divided)
    for tag, part in pairs(divided.parts) do
        local inner, name = key .. "." .. tag:lower(), place .. " " .. tag
        string_field(inner, name .. " (" .. part.name .. ")")
        if part.divided then
            division_fields(inner, name, part.divided)
        end
    end
end

for number, field in pairs(dialect.fields) do
    string_field("de" .. number, "DE " .. number .. " (" .. field.name .. ")")
    if field.divided then
        division_fields("de" .. number, "DE " .. number, field.divided)
    end
end
for usage, private in pairs(dialect.private) do
    string_field("de48." .. usage:lower(), "DE 48 " .. usage .. " (" .. private.title .. ")")
end
string_field("de48.unknown", "DE 48 (Unknown)")
experts.malformed = ProtoExpert.new(
    dialect.proto .. ".malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
proto.fields = fields
proto.experts = experts

---------------------------------------------------------------- bytes

-- Every reader works on the frame as a Lua string, one character a byte, counting from zero.
local function slice(data, start, count)
    return data:sub(start + 1, start + count)
end

local function hex(data)
    return (data:gsub(".", function(c) return ("%02X"):format(c:byte()) end))
end

local function from_ebcdic(data)
    return (data:gsub(".", function(c) return dialect.ebcdic[c:byte() + 1] end))
end

local function number_of(data, little)
    local number = 0
    for i = 1, #data do
        local at = little and #data + 1 - i or i
        number = number * 256 + data:byte(at)
    end
    return number
end

---------------------------------------------------------------- masks

local CHARACTER = "[%z\1-\127\194-\244][\128-\191]*" -- one in UTF-8
local HIDDEN = "****"

local function characters(text)
    local list = {}
    for character in text:gmatch(CHARACTER) do
        list[#list + 1] = character
    end
    return list
end

local function keep_last(list, count)
    return ("*"):rep(#list - count) .. table.concat(list, "", #list - count + 1)
end

local function mask(text)
    local list = characters(text)
    return keep_last(list, #list >= 12 and 4 or #list >= 6 and 2 or 0)
end

local function shown(text, sensitive)
    if sensitive == "hide" then
        return HIDDEN
    elseif sensitive == "mask" then
        return mask(text)
    elseif sensitive == "name" then
        local list = characters(text)
        return #list > 1 and keep_last(list, 1) or "*"
    end
    return text
end

---------------------------------------------------------------- fields

-- A reader gives its result, or nil and the rule that is broken.
local CLASSES = {
    n = "^[0-9]*$", a = "^[A-Za-z]*$", an = "^[0-9A-Za-z]*$", ans = "^[ -~]*$", z = "^[0-9=]*$",
}
local SUFFIX = " stand in this field"

-- How values are written: by the dialect in its fields, and inside those that are divided in turn.
local OWN = {
    text = dialect.text, numeric = dialect.numeric, lengths = dialect.lengths,
    hex = dialect.binary == "hex", pad_left = dialect.pad_left, filler = dialect.filler,
}
local OWN_INSIDE = setmetatable({ hex = false }, { __index = OWN })
local ASCII = { text = "ascii", numeric = "ascii", lengths = "ascii", hex = false }
local EMV = { text = "ascii", numeric = "bcd", hex = false, pad_left = true, filler = "0" }

local function is_packed(kind, writing)
    return writing.numeric == "bcd" and (kind == "n" or kind == "z")
end

local function size_of(kind, count, writing)
    if kind == "b" then
        return writing.hex and 2 * count or count
    elseif kind == "x+n" then
        return 1 + size_of("n", count - 1, writing)
    elseif is_packed(kind, writing) then
        return math.floor((count + 1) / 2)
    end
    return count
end

local function packed(data, kind, count, writing)
    local digits = hex(data)
    local odd = #digits - count
    local pad, value = digits:sub(count + 1), digits:sub(1, count)
    if writing.pad_left then
        pad, value = digits:sub(1, odd), digits:sub(odd + 1)
    end
    if pad ~= "" and pad ~= writing.filler then
        return nil, "the unused half of a byte is not the filler"
    elseif not value:match(kind == "z" and "^[0-9D]*$" or "^[0-9]*$") then
        return nil, "other half bytes than digits" .. SUFFIX
    end
    return value
end

local function text_of(data, kind, writing)
    local text = writing.text ~= "ascii" and from_ebcdic(data) or data
    if not text:match(CLASSES[kind]) then
        return nil, "other characters than " .. kind .. SUFFIX
    end
    return text
end

local NOT_TEXT = "not GB18030 text, or a character is cut"

local function utf8(code)
    if code < 0x80 then
        return string.char(code)
    end
    local tail, first = {}, 0xC0
    local limit = 0x20
    repeat
        table.insert(tail, 1, string.char(0x80 + code % 64))
        code = math.floor(code / 64)
        if code < limit then
            break
        end
        first, limit = first / 2 + 0x80, limit / 2
    until false
    return string.char(first + code) .. table.concat(tail)
end

local function of_four_bytes(a, b, c, d)
    local linear = ((a - 0x81) * 10 + b - 0x30) * 1260 + (c - 0x81) * 10 + d - 0x30
    for _, range in ipairs(dialect.gb18030.ranges) do
        local offset = linear - range[1]
        if offset >= 0 and offset < range[3] then
            return utf8(range[2] + offset)
        end
    end
end

local two_bytes = {}
if dialect.gb18030 then
    for lead, text in ipairs(dialect.gb18030.two_bytes) do
        two_bytes[lead + 0x80] = characters(text)
    end
end

-- Wireshark's own GB18030 loses characters in some versions: the tables come with the dialect.
local function multibyte(data)
    local list, at = {}, 1
    while at <= #data do
        local a, b, c, d = data:byte(at, at + 3)
        local character, size
        if a < 0x80 then
            character, size = string.char(a), 1
        elseif b and b >= 0x40 and b ~= 0x7F then
            local row = two_bytes[a]
            character, size = row and row[b - (b < 0x7F and 0x3F or 0x40)], 2
        elseif d and a > 0x80 and a < 0xFF and b >= 0x30 and b <= 0x39 and d >= 0x30 and d <= 0x39
        then
            character, size = of_four_bytes(a, b, c, d), 4
        end
        if not character or character == "\239\191\189" then
            return nil, NOT_TEXT
        end
        list[#list + 1] = character
        at = at + size
    end
    return table.concat(list)
end

local function content_of(whole, at, field, count, writing)
    local size = size_of(field.kind, count, writing)
    local data = slice(whole, at, size)
    if #data < size then
        return nil, "the message ends inside this field"
    elseif field.kind == "b" then
        return data
    elseif field.kind == "x+n" then
        local sign = text_of(data:sub(1, 1), "a", writing)
        if sign ~= "C" and sign ~= "D" then
            return nil, "a signed amount begins with C or D"
        end
        local digits, rule
        if is_packed("n", writing) then
            digits, rule = packed(data:sub(2), "n", count - 1, writing)
        else
            digits, rule = text_of(data:sub(2), "n", writing)
        end
        return digits and sign .. digits, rule
    elseif field.charset then
        return multibyte(data)
    elseif is_packed(field.kind, writing) then
        return packed(data, field.kind, count, writing)
    end
    return text_of(data, field.kind, writing)
end

-- Gives the count and the bytes of the indicator.
local function length_of(data, at, field, writing)
    local digits = field.digits
    local size = writing.lengths == "bcd" and math.floor((digits + 1) / 2)
        or writing.lengths == "binary" and digits - 1
        or digits
    local indicator = slice(data, at, size)
    local shown_digits = indicator
    if writing.lengths == "bcd" then
        shown_digits = hex(indicator)
    elseif writing.lengths == "binary" then
        shown_digits = tostring(number_of(indicator))
    elseif writing.lengths == "ebcdic" then
        shown_digits = from_ebcdic(indicator)
    end
    local count = #indicator == size and shown_digits:match("^[0-9]+$") and tonumber(shown_digits)
    if not count or count < 1 or count > field.max then
        return nil, "the length is not from 1 to " .. field.max
    end
    return count, size
end

-- Rows of the subfields of DE 48: two capital letters, three digits counting bytes, the value.
local function private_rows(rows, frame, at, stop)
    while at < stop do
        local usage, digits = slice(frame.data, at, 5):match("^([A-Z][A-Z])([0-9][0-9][0-9])$")
        local count = tonumber(digits)
        if not usage then
            return at, "DE 48", "a subfield begins with two capital letters and three digits"
        elseif count < 1 or at + 5 + count > stop then
            return at, "DE 48 " .. usage, "the length is 1 to what is left of the field"
        end
        local known = dialect.private[usage]
        local text, rule = multibyte(slice(frame.data, at + 5, count))
        if not text then
            return at + 5, "DE 48 " .. usage, rule
        end
        rows[#rows + 1] = {
            key = known and "de48." .. usage:lower() or "de48.unknown",
            at = at, size = 5 + count,
            value = shown(text, known and known.sensitive or "hide"),
        }
        at = at + 5 + count
    end
end

---------------------------------------------------------------- subfields

-- A layout reads the subfield at a place: its tag, where its value begins, and how many bytes and
-- units it has; or nil, where it went wrong and the rule.
local NO_TAG, NO_LENGTH = "the dialect does not have this tag", "the dialect does not allow this length"

local function tagged(value, start, divided, writing)
    local form = { digits = divided.length_digits, max = 10 ^ divided.length_digits - 1 }
    local tag_size = size_of(divided.tag.kind, divided.tag.max, writing)
    local at, length, size = start, nil, nil
    if divided.layout == "ltv" then
        length, size = length_of(value, at, form, writing)
        at = at + (length and size or 0)
    end
    local tag = content_of(value, at, divided.tag, divided.tag.max, writing)
    at = at + tag_size
    if divided.layout ~= "ltv" and tag then
        length, size = length_of(value, at, form, writing)
        at = at + (length and size or 0)
    end
    if not tag or not divided.parts[tag] then
        return nil, start, NO_TAG
    elseif not length then
        return nil, start, size
    end
    return tag, at, divided.layout == "ltv" and length - tag_size or length
end

local function ber_tlv(value, start, divided)
    local stop = start + 1
    if value:byte(stop) % 32 == 31 then
        repeat
            stop = stop + 1
        until stop > #value or value:byte(stop) < 128 or stop - start == 3
    end
    local tag = hex(slice(value, start, stop - start))
    local length, at = value:byte(stop + 1) or 0, stop + 1
    if not divided.parts[tag] then
        return nil, start, NO_TAG
    elseif length > 127 then
        local count = length - 128
        length, at = number_of(slice(value, stop + 1, count)), at + count
        length = (count == 1 or count == 2) and length > (count == 1 and 127 or 255) and length or 0
    end
    if length == 0 then
        return nil, stop, "not a length above zero in its shortest form"
    end
    return tag, at, length
end

-- Gives the count of units in so many bytes, where there may be so many.
local function count_in(part, size, writing)
    if part.digits == 0 then
        return size == size_of(part.kind, part.max, writing) and part.max
    end
    return size >= 1 and size <= part.max and size
end

-- Lists the subfields of a value: key, offset and size in it, the value, and what it is of.
local function subfields_of(value, divided, writing)
    local list, seen, start = {}, {}, 0
    local order = divided.layout == "positional" and divided.order
    while start < #value do
        local tag, at, size, count
        if order then
            tag, at, count = order[#list + 1], start, nil
            if not tag then
                return nil, start, "bytes follow the last subfield"
            end
            local part = divided.parts[tag]
            count = part.max
            if part.digits > 0 then
                local indicator
                count, indicator = length_of(value, start, part, writing)
                if not count then
                    return nil, start, indicator
                end
                at = start + indicator
            end
            size = size_of(part.kind, count, writing)
        else
            local read = divided.layout == "ber-tlv" and ber_tlv or tagged
            tag, at, size = read(value, start, divided, writing)
            count = tag and count_in(divided.parts[tag], size, writing)
            if not tag then
                return nil, at, size
            elseif not count or seen[tag] then
                return nil, start, count and "this tag came before" or NO_LENGTH
            end
        end
        local part = divided.parts[tag]
        local found, rule = content_of(value, at, part, count, writing)
        if not found then
            return nil, at, rule
        end
        seen[tag] = true
        list[#list + 1] = { key = tag, at = at, size = size, value = found, part = part }
        start = at + size
    end
    return list
end

local function shown_part(found, part, layout)
    if part.divided then
        return ""
    elseif part.kind ~= "b" then
        return shown(found, part.sensitive)
    elseif layout ~= "ber-tlv" or part.sensitive == "hide" then
        return HIDDEN
    end
    local digits = hex(found)
    return shown(part.sensitive == "mask" and digits:gsub("F+$", "") or digits, part.sensitive)
end

-- Adds a row for each subfield of a value that takes `size` bytes of the frame from `begin` on;
-- gives where it went wrong and the rule, if it did.
local function division_rows(rows, key, value, begin, size, field)
    local divided = field.divided
    local writing = field.kind ~= "b" and ASCII or divided.layout == "ber-tlv" and EMV or OWN_INSIDE
    local list, flaw_at, rule = subfields_of(value, divided, writing)
    if not list then
        return begin + math.floor(size * flaw_at / #value), rule
    end
    for _, found in ipairs(list) do
        -- Two digits may share a byte of the message, or one byte of a value take two.
        local start = math.floor(size * found.at / #value)
        local stop = math.ceil(size * (found.at + found.size) / #value)
        local inner = key .. "." .. found.key:lower()
        rows[#rows + 1] = {
            key = inner, at = begin + start, size = stop - start,
            value = shown_part(found.value, found.part, divided.layout),
        }
        if found.part.divided then
            local raw = slice(value, found.at, found.size)
            local at, why = division_rows(rows, inner, raw, begin + start, stop - start, found.part)
            if at then
                return at, why
            end
        end
    end
end

---------------------------------------------------------------- messages

local function add_field(rows, frame, at, number)
    local field = dialect.fields[number]
    local place = "DE " .. number
    if not field then
        return nil, at, place, "the dialect does not have this field"
    end
    local count, indicator = field.max, 0
    if field.digits > 0 then
        local rule
        count, indicator = length_of(frame.data, at, field, OWN)
        if not count then
            return nil, at, place, indicator
        end
    end
    local text, rule = content_of(frame.data, at + indicator, field, count, OWN)
    if not text then
        return nil, at, place, rule
    end
    local begin, size = at + indicator, size_of(field.kind, count, OWN)
    local stop = begin + size
    local row = { key = "de" .. number, at = at, size = stop - at, value = "" }
    rows[#rows + 1] = row
    if field.divided then
        local kept = #rows
        local value = field.charset and slice(frame.data, begin, size) or text
        local flaw_at, why = division_rows(rows, row.key, value, begin, size, field)
        if flaw_at then
            for extra = #rows, kept, -1 do
                rows[extra] = nil
            end
            return nil, flaw_at, place, why
        end
        return stop
    elseif number ~= 48 then
        row.value = field.kind == "b" and HIDDEN or shown(text, field.sensitive)
        return stop
    elseif not next(dialect.private) then
        row.value = HIDDEN -- nobody knows what stands there
        return stop
    end
    local flaw_at, flaw_place, flaw_rule = private_rows(rows, frame, at + indicator, stop)
    if flaw_at then
        return nil, flaw_at, flaw_place, flaw_rule
    end
    return stop
end

-- Gives the numbers of the data elements and where the first of them begins.
local function bitmap_of(data, at)
    local size = dialect.bitmap == "binary" and 8 or 16
    local numbers, maps, start = {}, 1, at
    local map = 0
    while map < maps do
        local raw = slice(data, at, size)
        if #raw < size then
            return nil, "the message ends inside the bitmap"
        end
        local digits = dialect.bitmap == "binary" and hex(raw)
            or dialect.bitmap == "hex" and raw
            or from_ebcdic(raw)
        if not digits:match("^[0-9A-F]+$") then
            return nil, "the bitmap is not hex text"
        end
        for nibble = 1, 16 do
            local bits = tonumber(digits:sub(nibble, nibble), 16)
            for bit = 1, 4 do
                if math.floor(bits / 2 ^ (4 - bit)) % 2 == 1 then
                    local number = 64 * map + 4 * (nibble - 1) + bit
                    if number == 1 or (number == 65 and dialect.has_tertiary) then
                        maps = maps + 1
                    else
                        numbers[#numbers + 1] = number
                    end
                end
            end
        end
        map, at = map + 1, at + size
    end
    return numbers, at
end

-- Fills rows as far as the message goes; gives place, offset and rule where it stops.
local function read_message(rows, frame, at, stop)
    local size = dialect.numeric == "bcd" and 2 or 4
    local raw = slice(frame.data, at, size)
    local mti = dialect.numeric == "bcd" and hex(raw)
        or dialect.numeric == "ebcdic" and from_ebcdic(raw)
        or raw
    if #raw < size or not mti:match("^0[1-8][0-4][0-5]$") then
        return at, "MTI", "version 0, class 1 to 8, function 0 to 4, origin 0 to 5"
    end
    rows[#rows + 1] = { key = "mti", at = at, size = size, value = mti }
    local numbers, start = bitmap_of(frame.data, at + size)
    if not numbers then
        return at + size, "bitmap", start
    end
    rows[#rows + 1] = {
        key = "bitmap", at = at + size, size = start - at - size,
        value = "DE " .. table.concat(numbers, " "),
    }
    for _, number in ipairs(numbers) do
        local after, flaw_at, place, rule = add_field(rows, frame, start, number)
        if not after then
            return flaw_at, place, rule
        end
        start = after
    end
    if start < stop then
        return start, "end", "bytes follow the last field of the bitmap"
    end
end

-- In a bad message a card number or a name may have been read as something else.
local function kept_back(row)
    local is_value = row.key:match("^de")
    if is_value and row.value:find("[\128-\255]") then
        row.value = shown(row.value, "name")
    elseif is_value and #characters(row.value) > 6 and not row.value:find("*", 1, true) then
        row.value = mask(row.value)
    end
end

local function malformed(tree, range, text)
    tree:add_proto_expert_info(experts.malformed, text)
    tree:append_text(", malformed")
end

local function summary(rows)
    local wanted, words = { mti = true, de11 = true, de39 = true, de70 = true }, {}
    for _, row in ipairs(rows) do
        if wanted[row.key] then
            words[#words + 1] = row.key == "mti" and row.value
                or "DE " .. row.key:sub(3) .. " " .. row.value
        end
    end
    return table.concat(words, ", ")
end

local function show_message(tree, frame, at, stop, pinfo)
    local rows = {}
    local flaw_at, place, rule = read_message(rows, frame, at, stop)
    for _, row in ipairs(rows) do
        if flaw_at then
            kept_back(row)
        end
        tree:add(fields[row.key], frame.tvb:range(row.at, row.size), row.value)
    end
    pinfo.cols.info:append(" " .. summary(rows))
    if flaw_at then
        malformed(tree, nil, place .. " at byte " .. (flaw_at - at) .. ": " .. rule)
    end
end

---------------------------------------------------------------- frames

-- Gives the bytes of a whole frame, length prefix included, or nil and the rule that is broken.
local function frame_bytes(data)
    local prefix, length = framing.prefix_bytes, nil
    if framing.form == "ascii" or framing.form == "bcd" then
        local digits = framing.form == "bcd" and hex(data) or data
        length = digits:match("^[0-9]+$") and tonumber(digits)
    else
        length = number_of(data, framing.form == "little")
    end
    if not length then
        return nil, "the length is not 4 digits"
    elseif framing.counts_itself then
        length = length - prefix
    end
    local around = framing.tpdu_bytes + framing.header_bytes + framing.trailer_bytes
    if length < 0 or length > around + framing.message_bytes_max then
        return nil, "the length is above the maximum"
    elseif length > 0 and length <= around then
        return nil, "the length leaves no message"
    end
    return prefix + length
end

local function pdu_length(tvb, _, offset)
    local prefix = tvb:range(offset, framing.prefix_bytes):raw()
    -- Who lost the place in the stream cannot find it again: the rest is one malformed frame.
    return frame_bytes(prefix) or tvb:len() - offset
end

local function show_header(tree, tvb, at)
    if framing.header_bytes > 0 then
        local branch = tree:add(fields.header, tvb:range(at, framing.header_bytes), "")
        for _, part in ipairs(framing.header) do
            branch:add(tvb:range(at, part.bytes), part.name)
            at = at + part.bytes
        end
    end
    return at
end

local function show_frame(tvb, pinfo, root)
    local frame = { tvb = tvb, data = tvb:range():raw() }
    local prefix = framing.prefix_bytes
    local tree = root:add(proto, tvb:range())
    local total, rule = frame_bytes(slice(frame.data, 0, prefix))
    tree:add(fields.length, tvb:range(0, prefix), tostring((total or tvb:len()) - prefix))
    if not total then
        malformed(tree, nil, "frame at byte 0: " .. rule)
        return tvb:len()
    elseif total == prefix then
        tree:append_text(", keep-alive")
        pinfo.cols.info:append(" keep-alive")
        return total
    end
    local at = prefix
    if framing.tpdu_bytes > 0 then
        tree:add(fields.tpdu, tvb:range(at, framing.tpdu_bytes), hex(slice(frame.data, at, 5)))
        at = at + framing.tpdu_bytes
    end
    at = show_header(tree, tvb, at)
    local stop = total - framing.trailer_bytes
    frame.data = frame.data:sub(1, stop)
    show_message(tree, frame, at, stop, pinfo)
    return total
end

function proto.dissector(tvb, pinfo, root)
    pinfo.cols.protocol = dialect.proto:upper()
    pinfo.cols.info = ""
    dissect_tcp_pdus(tvb, root, framing.prefix_bytes, pdu_length, show_frame)
    return tvb:len()
end

-- No port is known: "Decode As", or tshark -d tcp.port==PORT,NAME.
DissectorTable.get("tcp.port"):add_for_decode_as(proto)
