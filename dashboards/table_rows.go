package dashboards

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"dealtrail/access"
	"dealtrail/trail"
)

// TableOf makes a table of a slice of rows as the API has them in JSON: a column for each
// field under its JSON name, those of a field's own fields behind the field's name as in
// value_amount, and lists of words as one cell. What a row has of other lists and maps is
// left out: it has a table of its own.
func TableOf(name string, rows any) Table {
	t := Table{Name: name}
	list := reflect.ValueOf(rows)
	fields := fieldsOf(list.Type().Elem(), "", nil)
	for _, f := range fields {
		t.Columns = append(t.Columns, f.name)
	}
	for i := range list.Len() {
		row := make([]any, len(fields))
		for j, f := range fields {
			row[j] = cellOfField(list.Index(i), f)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// field is one column of rows: its name, and the way to it through the row.
type field struct {
	name  string
	index []int
	money bool // the decimal text of an amount
}

var (
	moneyType = reflect.TypeFor[trail.Money]()
	timeType  = reflect.TypeFor[time.Time]()
	idType    = reflect.TypeFor[trail.ID]()
)

func fieldsOf(t reflect.Type, before string, index []int) (all []field) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == timeType || t == idType {
		return []field{{name: strings.TrimSuffix(before, "_"), index: index}}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" || !f.IsExported() {
			continue
		}
		to := append(index[:len(index):len(index)], i)
		kind := f.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		name := before + tag
		switch {
		case f.Anonymous && tag == "":
			all = append(all, fieldsOf(f.Type, before, to)...)
		case kind.Kind() == reflect.Struct && kind != timeType && kind != idType:
			all = append(all, fieldsOf(f.Type, name+"_", to)...)
		case kind.Kind() == reflect.Map, kind.Kind() == reflect.Interface, kind.Kind() == reflect.Slice && kind.Elem().Kind() != reflect.String:
		default:
			all = append(all, field{name: name, index: to, money: t == moneyType && f.Name == "Amount"})
		}
	}
	return all
}

func cellOfField(v reflect.Value, f field) any {
	for _, i := range f.index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return nil
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case time.Time:
		return x
	case trail.ID:
		return x.String()
	case access.Roles:
		return x.String()
	}
	switch v.Kind() {
	case reflect.String:
		if f.money && plainNumber.MatchString(v.String()) {
			return Figure(v.String())
		}
		return v.String()
	case reflect.Bool:
		return map[bool]string{true: "yes", false: "no"}[v.Bool()]
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return Figure(strconv.FormatInt(v.Int(), 10))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Figure(strconv.FormatUint(v.Uint(), 10))
	case reflect.Float32, reflect.Float64:
		return Figure(strconv.FormatFloat(v.Float(), 'f', -1, 64))
	case reflect.Slice:
		words := make([]string, v.Len())
		for i := range words {
			words[i] = v.Index(i).String()
		}
		return strings.Join(words, "; ")
	}
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return fmt.Sprint(v.Interface())
	}
	return strings.Trim(string(b), `"`)
}
