package main

import (
	"bytes"
	"io"
	"unicode"
)

// plain shows control characters as question marks: what nodes say of themselves must not steer the terminal of whoever looks.
type plain struct{ io.Writer }

func (p plain) Write(text []byte) (int, error) {
	shown := bytes.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return '?'
		}
		return r
	}, text)
	if _, err := p.Writer.Write(shown); err != nil {
		return 0, err
	}
	return len(text), nil
}
