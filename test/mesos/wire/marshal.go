package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"github.com/gogo/protobuf/proto"
	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

// Marshal prints a message as Mesos does: fields in the order of declaration,
// absent ones left out, enums by name, bytes in base64, doubles with a point
// (`15.0`).
func Marshal(message proto.Message) ([]byte, error) {
	return appendMessage(nil, reflect.ValueOf(message).Elem())
}

func appendMessage(out []byte, message reflect.Value) ([]byte, error) {
	out = append(out, '{')
	first := true
	for _, f := range fieldsOf(message.Type()) {
		value := message.Field(f.index)
		if absent(f, value) {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = strconv.AppendQuote(out, f.name)
		out = append(out, ':')
		var err error
		if out, err = appendValue(out, f, value); err != nil {
			return nil, fmt.Errorf("encoding field %s: %w", f.name, err)
		}
	}
	return append(out, '}'), nil
}

// absent: a nil slice is a field that was never set, an empty one was meant to
// be shown (`"frameworks":[]`).
func absent(f field, value reflect.Value) bool {
	switch value.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		return value.IsNil()
	default:
		return !f.required && value.IsZero()
	}
}

func appendValue(out []byte, f field, value reflect.Value) ([]byte, error) {
	switch value.Kind() {
	case reflect.Pointer:
		return appendValue(out, f, value.Elem())
	case reflect.Struct:
		return appendMessage(out, value)
	case reflect.Slice:
		if value.Type() == reflect.TypeFor[[]byte]() {
			return strconv.AppendQuote(out, base64.StdEncoding.EncodeToString(value.Bytes())), nil
		}
		return appendList(out, f, value)
	case reflect.Map:
		return appendMap(out, f, value)
	case reflect.String:
		quoted, err := json.Marshal(value.String())
		return append(out, quoted...), err
	case reflect.Bool:
		return strconv.AppendBool(out, value.Bool()), nil
	case reflect.Float64:
		return appendDouble(out, value.Float()), nil
	case reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(out, value.Uint(), 10), nil
	case reflect.Int32, reflect.Int64:
		if f.enum != "" {
			return appendEnum(out, value), nil
		}
		return strconv.AppendInt(out, value.Int(), 10), nil
	default:
		return nil, fmt.Errorf("no JSON form for %s", value.Type())
	}
}

// QuotaV2 is a master's capability that came after the protobufs of mesos-go
// (1.10): a client's enum doesn't know it, as with any newer master.
const QuotaV2 = v1.MasterInfo_Capability_Type(3)

func appendEnum(out []byte, value reflect.Value) []byte {
	if value.Interface() == QuotaV2 {
		return strconv.AppendQuote(out, "QUOTA_V2")
	}
	if named, ok := value.Interface().(fmt.Stringer); ok {
		return strconv.AppendQuote(out, named.String())
	}
	return strconv.AppendInt(out, value.Int(), 10)
}

func appendList(out []byte, f field, list reflect.Value) ([]byte, error) {
	out = append(out, '[')
	for i := range list.Len() {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendValue(out, f, list.Index(i)); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func appendMap(out []byte, f field, values reflect.Value) ([]byte, error) {
	keys := values.MapKeys()
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	out = append(out, '{')
	for i, key := range keys {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendQuote(out, key.String())
		out = append(out, ':')
		var err error
		if out, err = appendValue(out, f, values.MapIndex(key)); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func appendDouble(out []byte, value float64) []byte {
	text := strconv.FormatFloat(value, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return append(out, text...)
}
