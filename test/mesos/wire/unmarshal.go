package wire

//lint:file-ignore ST1005 the words are Mesos' own

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/gogo/protobuf/proto"
)

// A SyntaxError says that a body is not JSON at all; Mesos tells it apart from
// JSON that doesn't fit the message.
type SyntaxError struct {
	Line int
	Near string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("syntax error at line %d near: %s", e.Line, e.Near)
}

// Unmarshal reads Mesos' JSON into a generated message. Unknown fields and
// unknown enum values are passed over; everything else that doesn't fit is an
// error in Mesos' words.
func Unmarshal(data []byte, message proto.Message) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var parsed any
	if err := decoder.Decode(&parsed); err != nil {
		return syntaxError(data, err)
	}
	object, ok := parsed.(map[string]any)
	if !ok {
		return errors.New("Expecting a JSON object")
	}
	d := &decode{}
	if err := d.message(object, reflect.ValueOf(message).Elem(), ""); err != nil {
		return err
	}
	if len(d.missing) > 0 {
		return errors.New("Missing required fields: " + strings.Join(d.missing, ", "))
	}
	return nil
}

func syntaxError(data []byte, err error) error {
	offset := len(data)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && int(syntax.Offset) <= len(data) && syntax.Offset > 0 {
		offset = int(syntax.Offset) - 1
	}
	if len(data) == 0 {
		offset = 0
	}
	line := 1 + bytes.Count(data[:offset], []byte("\n"))
	return &SyntaxError{Line: line, Near: string(data[offset:])}
}

// decode collects the missing required fields of the whole message: protobuf
// reports them together, after everything else has been read.
type decode struct{ missing []string }

func (d *decode) message(object map[string]any, into reflect.Value, path string) error {
	for _, f := range fieldsOf(into.Type()) {
		value, present := object[f.name]
		if !present || value == nil {
			if f.required {
				d.missing = append(d.missing, path+f.name)
			}
			continue
		}
		if err := d.field(f, value, into.Field(f.index), path+f.name); err != nil {
			return err
		}
	}
	return nil
}

func (d *decode) field(f field, value any, into reflect.Value, path string) error {
	if into.Kind() == reflect.Map {
		return d.mapField(f, value, into, path)
	}
	if !f.repeated {
		return d.value(f, value, into, path+".")
	}
	list, ok := value.([]any)
	if !ok {
		return unexpected(value, f)
	}
	slice := reflect.MakeSlice(into.Type(), len(list), len(list))
	for i, element := range list {
		if err := d.value(f, element, slice.Index(i), fmt.Sprintf("%s[%d].", path, i)); err != nil {
			return err
		}
	}
	into.Set(slice)
	return nil
}

func (d *decode) mapField(f field, value any, into reflect.Value, path string) error {
	object, ok := value.(map[string]any)
	if !ok {
		return unexpected(value, f)
	}
	result := reflect.MakeMap(into.Type())
	for key, element := range object {
		entry := reflect.New(into.Type().Elem()).Elem()
		if err := d.value(f, element, entry, path+"."); err != nil {
			return err
		}
		result.SetMapIndex(reflect.ValueOf(key), entry)
	}
	into.Set(result)
	return nil
}

func (d *decode) value(f field, value any, into reflect.Value, path string) error {
	if into.Kind() == reflect.Pointer {
		target := reflect.New(into.Type().Elem())
		if err := d.value(f, value, target.Elem(), path); err != nil {
			return err
		}
		if f.enum == "" || known(f, value) {
			into.Set(target)
		}
		return nil
	}
	if into.Type() == reflect.TypeFor[[]byte]() {
		return decodeBytes(f, value, into)
	}
	switch v := value.(type) {
	case map[string]any:
		if into.Kind() == reflect.Struct {
			return d.message(v, into, path)
		}
	case string:
		return decodeString(f, v, into)
	case bool:
		if into.Kind() == reflect.Bool {
			into.SetBool(v)
			return nil
		}
	case json.Number:
		return decodeNumber(f, v, into)
	}
	return unexpected(value, f)
}

func known(f field, value any) bool {
	name, isName := value.(string)
	if !isName {
		return true
	}
	_, ok := proto.EnumValueMap(f.enum)[name]
	return ok
}

func decodeBytes(f field, value any, into reflect.Value) error {
	text, ok := value.(string)
	if !ok {
		return unexpected(value, f)
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		var at base64.CorruptInputError
		reason := err.Error()
		if errors.As(err, &at) && int(at) < len(text) {
			reason = fmt.Sprintf("Invalid character '%c'", text[at])
		}
		return fmt.Errorf("Failed to base64 decode bytes field '%s': %s", f.name, reason)
	}
	into.SetBytes(data)
	return nil
}

func decodeString(f field, text string, into reflect.Value) error {
	if f.enum != "" {
		if number, ok := proto.EnumValueMap(f.enum)[text]; ok {
			into.SetInt(int64(number))
		}
		return nil
	}
	switch into.Kind() {
	case reflect.String:
		into.SetString(text)
		return nil
	case reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64, reflect.Float64:
		return decodeNumber(f, json.Number(text), into)
	default:
		return unexpected(text, f)
	}
}

func decodeNumber(f field, number json.Number, into reflect.Value) error {
	if f.enum != "" {
		return unexpected(number, f)
	}
	text := number.String()
	switch into.Kind() {
	case reflect.Float64:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return unexpected(text, f)
		}
		into.SetFloat(v)
	case reflect.Int32, reflect.Int64:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return unexpected(text, f)
		}
		if exact, err := strconv.ParseInt(text, 10, 64); err == nil {
			into.SetInt(exact)
			return nil
		}
		into.SetInt(int64(v))
	case reflect.Uint32, reflect.Uint64:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return unexpected(text, f)
		}
		if exact, err := strconv.ParseUint(text, 10, 64); err == nil {
			into.SetUint(exact)
			return nil
		}
		into.SetUint(uint64(v))
	default:
		return unexpected(number, f)
	}
	return nil
}

func unexpected(value any, f field) error {
	kind := "object"
	switch value.(type) {
	case string:
		kind = "string"
	case json.Number:
		kind = "number"
	case bool:
		kind = "boolean"
	case []any:
		kind = "array"
	}
	return fmt.Errorf("Not expecting a JSON %s for field '%s'", kind, f.name)
}
