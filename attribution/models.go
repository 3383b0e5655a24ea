package attribution

import (
	"slices"
	"strings"

	"dealtrail/trail"
)

// Version names the definitions of docs/models.md that a run was computed by.
// Any change that can change a number changes it.
const Version = "rules-1"

// Model is one way to divide a won deal among the touches that led to it.
type Model struct {
	Name    string // as in the parameter "model"
	Title   string // as a heading
	Meaning string // one sentence for a marketer
}

// Models returns the models there are, in the order in which they are shown.
func Models() []Model {
	return []Model{
		{"first", "First touch", "What opened the door: the whole deal goes to the first content that the buyer clicked, read or answered."},
		{"last", "Last touch", "What was there at the end: the whole deal goes to the last content that the buyer clicked, read or answered before the close."},
		{"linear", "Linear", "What was part of it: every click, view and reply on the way to the close gets an equal part of the deal."},
	}
}

// names returns the names of all models.
func names() []string {
	var all []string
	for _, m := range Models() {
		all = append(all, m.Name)
	}
	return all
}

// choose returns the models asked for, once each and in the order of Models;
// no names mean all. A name that is not known is a trail.Invalid problem.
func choose(asked []string) ([]string, error) {
	all := names()
	if len(asked) == 0 {
		return all, nil
	}
	for _, name := range asked {
		if !slices.Contains(all, name) {
			return nil, trail.Problemf(trail.Invalid, "There is no model %q; choose from %s.", name, strings.Join(all, ", "))
		}
	}
	return slices.DeleteFunc(all, func(name string) bool { return !slices.Contains(asked, name) }), nil
}

// CheckModel returns a trail.Invalid problem for a name that no model has; no
// name is the usual model.
func CheckModel(name string) error {
	_, err := choose(slices.DeleteFunc([]string{name}, func(s string) bool { return s == "" }))
	return err
}
