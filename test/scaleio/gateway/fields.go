package gateway

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// fields of a request's body. The product takes scalars as strings ("TRUE", "33"); JSON's own types pass as well.
type fields map[string]json.RawMessage

func (f fields) has(name string) bool { _, ok := f[name]; return ok }

func (f fields) text(name string) string {
	raw, ok := f[name]
	if !ok || string(raw) == "null" {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return strings.TrimSpace(string(raw))
}

// need names the first parameter that isn't there.
func (f fields) need(names ...string) error {
	for _, name := range names {
		if f.text(name) == "" {
			return missing(name)
		}
	}
	return nil
}

func (f fields) textPointer(name string) *string {
	if !f.has(name) {
		return nil
	}
	text := f.text(name)
	return &text
}

func (f fields) number(name string) (int64, error) {
	n, err := strconv.ParseInt(f.text(name), 10, 64)
	if err != nil {
		return 0, &restError{fmt.Sprintf("Request message is not valid: %s isn't a number.", name), 400, 0}
	}
	return n, nil
}

func (f fields) numberPointer(name string) *int {
	if n, err := f.number(name); err == nil {
		value := int(n)
		return &value
	}
	return nil
}

func (f fields) flag(name string) bool { return strings.EqualFold(f.text(name), "true") }

func (f fields) flagPointer(name string) *bool {
	if !f.has(name) {
		return nil
	}
	on := f.flag(name)
	return &on
}

func (f fields) list(name string) []string {
	var list []string
	_ = json.Unmarshal(f[name], &list)
	return list
}
