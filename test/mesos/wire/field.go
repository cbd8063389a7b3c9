package wire

import (
	"reflect"
	"strings"
	"sync"
)

// field is one protobuf field of a generated struct, read from its tag:
// `protobuf:"varint,2,opt,name=type,enum=mesos.scheduler.Call_Type"`.
type field struct {
	index    int
	name     string
	required bool
	repeated bool
	enum     string
}

var fieldsByType sync.Map // reflect.Type -> []field

// fieldsOf lists the protobuf fields of a generated struct in the order of
// declaration, which is the order in which Mesos prints them.
func fieldsOf(t reflect.Type) []field {
	if known, ok := fieldsByType.Load(t); ok {
		return known.([]field)
	}
	var fields []field
	for i := range t.NumField() {
		tag := t.Field(i).Tag.Get("protobuf")
		if tag == "" {
			continue
		}
		f := field{index: i}
		for _, part := range strings.Split(tag, ",") {
			switch {
			case part == "req":
				f.required = true
			case part == "rep":
				f.repeated = true
			case strings.HasPrefix(part, "name="):
				f.name = strings.TrimPrefix(part, "name=")
			case strings.HasPrefix(part, "enum="):
				f.enum = strings.TrimPrefix(part, "enum=")
			}
		}
		fields = append(fields, f)
	}
	fieldsByType.Store(t, fields)
	return fields
}
