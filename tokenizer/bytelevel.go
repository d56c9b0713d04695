package tokenizer

// A byte-level vocabulary spells each byte as a visible character: the printable
// ones of Latin-1 stand for themselves, the other 68 bytes, in order, for U+0100
// and on (bytes_to_unicode of the GPT-2 release). So a space is "Ġ".

// byteSymbols[b] is the character that spells byte b.
var byteSymbols = func() (symbols [256]rune) {
	next := rune(0x100)
	for b := range symbols {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			symbols[b] = rune(b)
			continue
		}
		symbols[b] = next
		next++
	}
	return symbols
}()

// symbolBytes is byteSymbols the other way round; -1 where there is none.
var symbolBytes = func() (bytes [0x100 + 68]int16) {
	for i := range bytes {
		bytes[i] = -1
	}
	for b, r := range byteSymbols {
		bytes[r] = int16(b)
	}
	return bytes
}()

// appendDecoded appends the bytes that token spells. A token with any other
// character in it was added as plain text and stands for itself.
func appendDecoded(dst []byte, token string) []byte {
	n := len(dst)
	for _, r := range token {
		if int(r) >= len(symbolBytes) || symbolBytes[r] < 0 {
			return append(dst[:n], token...)
		}
		dst = append(dst, byte(symbolBytes[r]))
	}
	return dst
}
