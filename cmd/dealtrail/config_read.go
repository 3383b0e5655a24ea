package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// loadConfig reads the file over the defaults, then the environment over both
// (DEALTRAIL_SERVER_LISTEN for server.listen), and checks the whole. An error
// names the key and what is expected.
func loadConfig(path string, environ []string) (*Config, error) {
	c := defaults()
	c.path = path
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s here; write one with: %s init", path, called())
	}
	if err != nil {
		return nil, err
	}
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, explainTOML(path, err)
	}
	for i := range c.Boxes {
		c.fill(&c.Boxes[i])
	}
	if err := c.override(environ); err != nil {
		return nil, err
	}
	return c, c.check()
}

// explainTOML says which key is wrong and what was expected of it.
func explainTOML(path string, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var keys []string
		for _, e := range unknown.Errors {
			row, _ := e.Position()
			keys = append(keys, fmt.Sprintf("%s (line %d)", strings.Join(e.Key(), "."), row))
		}
		return fmt.Errorf("%s: unknown key %s; for a file with every key explained: dealtrail --config sample.toml init", path, strings.Join(keys, ", "))
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		row, _ := wrong.Position()
		name := strings.Join(wrong.Key(), ".")
		expected := ""
		eachKey(&Config{}, func(section, key string, field reflect.Value, _ reflect.StructTag) {
			if section+"."+key == name {
				expected = "; expected " + kindName(field)
			}
		})
		if strings.Contains(wrong.Error(), "already") {
			expected = "; it stands further up in the file, change it there"
		}
		return fmt.Errorf("%s line %d: %s: %s%s", path, row, name, strings.TrimPrefix(wrong.Error(), "toml: "), expected)
	}
	return fmt.Errorf("%s: %w", path, err)
}

func kindName(field reflect.Value) string {
	switch field.Interface().(type) {
	case Duration:
		return "a duration in quotes, such as \"10m\""
	case Past:
		return "\"30 days\", \"12 months\" or a date such as \"2026-01-01\""
	case []string:
		return "a list of texts, such as [\"a\", \"b\"]"
	case map[string]string:
		return "a table of texts"
	case bool:
		return "true or false"
	case int:
		return "a whole number"
	}
	return "a text in quotes"
}

// eachKey calls f for every key that stands in a section.
func eachKey(c *Config, f func(section, key string, field reflect.Value, tag reflect.StructTag)) {
	top := reflect.ValueOf(c).Elem()
	for i := range top.NumField() {
		section := top.Type().Field(i)
		if section.Type.Kind() != reflect.Struct {
			continue
		}
		for j := range section.Type.NumField() {
			key := section.Type.Field(j)
			f(section.Tag.Get("toml"), key.Tag.Get("toml"), top.Field(i).Field(j), key.Tag)
		}
	}
}

// setText sets a field from text, as environment variables and defaults have it.
func setText(field reflect.Value, text string) error {
	switch p := field.Addr().Interface().(type) {
	case *string:
		*p = text
	case *bool:
		v, err := strconv.ParseBool(text)
		*p = v
		return err
	case *int:
		v, err := strconv.Atoi(text)
		*p = v
		return err
	case *Duration:
		return p.UnmarshalText([]byte(text))
	case *Past:
		return p.UnmarshalText([]byte(text))
	case *[]string:
		*p = splitNames(text)
	case *map[string]string:
		*p = map[string]string{}
		for _, pair := range splitNames(text) {
			name, value, ok := strings.Cut(pair, "=")
			if !ok {
				return fmt.Errorf("want NAME=VALUE, separated by commas")
			}
			(*p)[name] = value
		}
	}
	return nil
}

func (c *Config) override(environ []string) (err error) {
	env := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	eachKey(c, func(section, key string, field reflect.Value, _ reflect.StructTag) {
		name := "DEALTRAIL_" + strings.ToUpper(section+"_"+key)
		text, ok := env[name]
		if file, secret := env[name+"_FILE"]; secret && !ok {
			b, e := os.ReadFile(file)
			if e != nil && err == nil {
				err = fmt.Errorf("environment %s_FILE: %w", name, e)
			}
			text, ok = strings.TrimRight(string(b), "\r\n"), e == nil
		}
		if ok {
			if e := setText(field, text); e != nil && err == nil {
				err = fmt.Errorf("environment %s=%q: expected %s", name, text, kindName(field))
			}
		}
	})
	return err
}
