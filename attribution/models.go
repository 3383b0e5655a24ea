package attribution

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"dealtrail/trail"
)

// Version names the definitions of docs/models.md that a run was computed by.
// Any change that can change a number changes it.
const Version = "models-3"

// Model is one way to divide a won deal among the touches that led to it.
type Model struct {
	Name    string // as in the parameter "model"
	Title   string // as a heading
	Meaning string // one sentence for a marketer

	Driven bool    // its weights come from all closed deals, not from a rule
	rule   Weights // of a rule
	decay  bool    // by time from the last touch instead
	order  int     // of the chain of a driven one
}

// Weights are a rule: what the touches at named places of a path weigh, and what
// all others share. A place without a touch gives its weight to the rest, in
// proportion; so weights need not add up to anything. 0 to 1,000 each, to three
// decimals.
type Weights struct {
	First       float64 // the first touch
	Lead        float64 // the last touch by the time the first contact on the deal became one
	Opportunity float64 // the last touch by the time the deal was created
	Last        float64 // the last touch before the close
	Others      float64 // shared equally by all touches in none of the places that weigh anything
	EarlyOnly   bool    // others are only those up to the later of Lead and Opportunity

	Kinds    map[trail.Kind]float64      // a touch of this kind weighs so many times as much; 1 where nothing is said
	Contents map[trail.ContentID]float64 // the same for a content
}

// Custom is a model that the company made.
type Custom struct {
	Name  string // lower case letters, digits and dashes
	Title string // default: the name
	Weights
}

// builtin are the models that there are always, in the order in which they are shown.
var builtin = []Model{
	{
		Name: "first", Title: "First touch", rule: Weights{First: 1},
		Meaning: "What opened the door: the whole deal goes to the first content that the buyer clicked, read or answered.",
	},
	{
		Name: "last", Title: "Last touch", rule: Weights{Last: 1},
		Meaning: "What was there at the end: the whole deal goes to the last content that the buyer clicked, read or answered before the close.",
	},
	{
		Name: "linear", Title: "Linear", rule: Weights{Others: 1},
		Meaning: "What was part of it: every click, view and reply on the way to the close gets an equal part of the deal.",
	},
	{
		Name: "decay", Title: "Time decay", decay: true,
		Meaning: "What was there lately: a touch counts half as much for each half-life that it was before the last one.",
	},
	{
		Name: "u", Title: "U-shaped", rule: Weights{First: 40, Last: 40, Others: 20},
		Meaning: "Opening and closing: 40 % each to the first and the last touch, 20 % to those between.",
	},
	{
		Name: "w", Title: "W-shaped", rule: Weights{First: 30, Lead: 30, Opportunity: 30, Others: 10, EarlyOnly: true},
		Meaning: "Making the deal: 30 % each to the first touch, the one that led to the lead and the one that led to the deal, 10 % to the others until then.",
	},
	{
		Name: "full", Title: "Full path", rule: Weights{First: 22.5, Lead: 22.5, Opportunity: 22.5, Last: 22.5, Others: 10},
		Meaning: "All milestones: 22.5 % each to the first touch, those that led to the lead and to the deal, and the last; 10 % to all others.",
	},
	{
		Name: "markov", Title: "Markov", Driven: true, order: 1,
		Meaning: "What would be missed: the more wins a chain of all won and lost deals loses without a content, the more that content gets of each deal it was part of.",
	},
	{
		Name: "shapley", Title: "Shapley", Driven: true, order: 1,
		Meaning: "What adds most in any company: each content gets what it adds to the chance to win, averaged over every set of the others.",
	},
}

// onDemand are models that runs compute only when they are asked for by name.
var onDemand = []Model{
	{
		Name: "markov:2", Title: "Markov, order 2", Driven: true, order: 2,
		Meaning: "As Markov, but remembering two steps, over kinds of content instead of single ones.",
	},
	{
		Name: "markov:3", Title: "Markov, order 3", Driven: true, order: 3,
		Meaning: "As Markov, but remembering three steps, over kinds of content instead of single ones.",
	},
}

// Models returns the models that every run computes unless some are chosen, in
// the order in which they are shown: those that there are always, then the
// company's own.
func (o Options) Models() []Model {
	all := slices.Clone(builtin)
	for _, c := range o.Custom {
		title := c.Title
		if title == "" {
			title = c.Name
		}
		all = append(all, Model{Name: c.Name, Title: title, rule: c.Weights, Meaning: c.Weights.String()})
	}
	return all
}

// Models returns the models that there are always.
func Models() []Model { return slices.Clone(builtin) }

// String says the weights in words.
func (w Weights) String() string {
	var parts []string
	for _, p := range []struct {
		weight float64
		place  string
	}{{w.First, "the first touch"}, {w.Lead, "the touch that led to the lead"}, {w.Opportunity, "the touch that led to the deal"}, {w.Last, "the last touch"}, {w.Others, "all others together"}} {
		if p.weight > 0 {
			parts = append(parts, fmt.Sprintf("%g to %s", p.weight, p.place))
		}
	}
	s := "Your own weights: " + strings.Join(parts, ", ")
	if len(w.Kinds)+len(w.Contents) > 0 {
		s += ", times the factors set for kinds and contents"
	}
	return s + "."
}

// choose returns the models asked for, once each and in the order in which they
// are shown; no names mean all that are computed unless some are chosen. A name
// that is not known is a trail.Invalid problem.
func (o Options) choose(asked []string) ([]Model, error) {
	all := o.Models()
	if len(asked) == 0 {
		return all, nil
	}
	all = append(all, onDemand...)
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
	}
	for _, name := range asked {
		if !slices.Contains(names, name) {
			return nil, trail.Problemf(trail.Invalid, "There is no model %q; choose from %s.", name, strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(all, func(m Model) bool { return !slices.Contains(asked, m.Name) }), nil
}

// CheckModel returns a trail.Invalid problem for a name that no model has; no
// name is the usual model.
func (o Options) CheckModel(name string) error {
	if name == "" {
		return nil
	}
	_, err := o.choose([]string{name})
	return err
}

func namesOf(models []Model) []string {
	var names []string
	for _, m := range models {
		names = append(names, m.Name)
	}
	return names
}

var isName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// check refuses what cannot be a model of one's own.
func (c Custom) check() error {
	if !isName.MatchString(c.Name) {
		return trail.Problemf(trail.Invalid, "A model of your own is called %q; a name is up to 31 lower case letters, digits and dashes, and begins with a letter.", c.Name)
	}
	if slices.ContainsFunc(append(slices.Clone(builtin), onDemand...), func(m Model) bool { return m.Name == c.Name }) {
		return trail.Problemf(trail.Invalid, "There is a model %q already; call yours something else.", c.Name)
	}
	for _, w := range []struct {
		name  string
		value float64
	}{{"first", c.First}, {"lead", c.Lead}, {"opportunity", c.Opportunity}, {"last", c.Last}, {"others", c.Others}} {
		if !isWeight(w.value) {
			return trail.Problemf(trail.Invalid, "Model %s: %s is %v; a weight is 0 to 1000.", c.Name, w.name, w.value)
		}
	}
	if c.First+c.Lead+c.Opportunity+c.Last+c.Others == 0 {
		return trail.Problemf(trail.Invalid, "Model %s: all weights are 0; at least one of first, lead, opportunity, last and others must be more.", c.Name)
	}
	for _, k := range slices.Sorted(maps.Keys(c.Kinds)) {
		f := c.Kinds[k]
		if !slices.Contains(earning, k) {
			return trail.Problemf(trail.Invalid, "Model %s: events of kind %q earn no credit; choose from %s.", c.Name, k, strings.Join(texts(earning), ", "))
		}
		if !isWeight(f) {
			return trail.Problemf(trail.Invalid, "Model %s: the factor of %s is %v; a factor is 0 to 1000.", c.Name, k, f)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.Contents)) {
		if f := c.Contents[id]; !isWeight(f) {
			return trail.Problemf(trail.Invalid, "Model %s: the factor of content %q is %v; a factor is 0 to 1000.", c.Name, id, f)
		}
	}
	return nil
}

func isWeight(w float64) bool { return w >= 0 && w <= 1000 }

// thousandths returns a weight as the SQL wants it: a whole number.
func thousandths(w float64) uint64 { return uint64(math.Round(1000 * w)) }

// maxWeeks is how far a number of weeks may go.
const maxWeeks = 52

// orders returns which chains the models need, each once.
func orders(models []Model) []int {
	var all []int
	for _, m := range models {
		if m.Driven && !slices.Contains(all, m.order) {
			all = append(all, m.order)
		}
	}
	slices.Sort(all)
	return all
}

// halfLife is the usual half-life of decay: a week, as in Google Analytics.
const halfLife = 7 * 24 * time.Hour
