package feed

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// meanings are what a source's stages are here: the CRM's pipelines, and over them what a
// person said.
type meanings struct {
	pipelines []trail.CRMPipeline
	said      map[string]trail.CRMMeaning // by the stage's ID
	stages    map[string]trail.CRMStage   // of the pipelines, by ID
	names     map[string]string           // of pipelines, by ID
}

func newMeanings(pipelines []trail.CRMPipeline, said map[string]trail.CRMMeaning) *meanings {
	m := &meanings{pipelines: pipelines, said: said, stages: map[string]trail.CRMStage{}, names: map[string]string{}}
	for _, p := range pipelines {
		m.names[p.ID] = p.Name
		for _, s := range p.Stages {
			m.stages[s.ID] = s
		}
	}
	return m
}

// name is what a stage is called here.
func (m *meanings) name(stage string) string {
	return cmp.Or(m.said[stage].Name, m.stages[stage].Name, stage)
}

// status is that of a deal: what a person said that its stage means, else what the CRM
// says of the deal, else of the stage; "" if nobody says.
func (m *meanings) status(d Deal) string {
	return cmp.Or(m.said[d.Stage].Means, d.Status, m.stages[d.Stage].Means)
}

// told returns the pipelines with what stages are here.
func (m *meanings) told() []trail.CRMPipeline {
	all := []trail.CRMPipeline{}
	for _, p := range m.pipelines {
		p.Stages = slices.Clone(p.Stages)
		for i := range p.Stages {
			s := &p.Stages[i]
			s.Here, s.HereMeans = m.name(s.ID), m.said[s.ID].Means
		}
		all = append(all, p)
	}
	return all
}

func (f *Feeds) meanings(ctx context.Context, s *Source) (*meanings, error) {
	var text *redis.StringCmd
	var stages *redis.MapStringStringCmd
	_, err := f.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		text, stages = p.Get(ctx, s.key("pipelines")), p.HGetAll(ctx, s.key("stages"))
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable(err)
	}
	var pipelines []trail.CRMPipeline
	if text.Val() != "" {
		if err := json.Unmarshal([]byte(text.Val()), &pipelines); err != nil {
			return nil, fmt.Errorf("read the pipelines of %s: %w", s.Name, err)
		}
	}
	said := map[string]trail.CRMMeaning{}
	for id, v := range stages.Val() {
		var one trail.CRMMeaning
		if err := json.Unmarshal([]byte(v), &one); err != nil {
			return nil, fmt.Errorf("read the stages of %s: %w", s.Name, err)
		}
		said[id] = one
	}
	return newMeanings(pipelines, said), nil
}

// keep writes the pipelines as the CRM told them.
func (f *Feeds) keep(ctx context.Context, s *Source, pipelines []trail.CRMPipeline) error {
	text, err := json.Marshal(pipelines)
	if err == nil {
		err = f.Redis.Set(ctx, s.key("pipelines"), text, 0).Err()
	}
	if err != nil {
		return fmt.Errorf("keep the pipelines of %s: %w", s.Name, err)
	}
	return nil
}

// meet adds stages that deals are in and no pipeline has, for a CRM that only delivers:
// so that a person can say what they mean.
func (f *Feeds) meet(ctx context.Context, s *Source, m *meanings, deals []Deal) (*meanings, error) {
	pipelines, grown := slices.Clone(m.pipelines), false
	for _, d := range deals {
		for _, stage := range append([]string{d.Stage}, stagesOf(d)...) {
			if _, known := m.stages[stage]; known || stage == "" {
				continue
			}
			i := slices.IndexFunc(pipelines, func(p trail.CRMPipeline) bool { return p.ID == d.Pipeline })
			if i < 0 {
				i = len(pipelines)
				pipelines = append(pipelines, trail.CRMPipeline{ID: d.Pipeline, Name: cmp.Or(d.Pipeline, "Deals")})
			}
			one := trail.CRMStage{ID: stage, Name: stage, Means: meaning(stage), Probability: -1}
			pipelines[i].Stages = append(slices.Clone(pipelines[i].Stages), one)
			m.stages[stage], grown = one, true
		}
	}
	if !grown {
		return m, nil
	}
	if len(m.stages) > 1000 {
		return m, nil // something else than stages
	}
	return newMeanings(pipelines, m.said), f.keep(ctx, s, pipelines)
}

func stagesOf(d Deal) (stages []string) {
	for _, e := range d.Entered {
		stages = append(stages, e.Stage)
	}
	return stages
}

// SetStages writes what stages of a source mean here, by their IDs in the CRM, and has
// the CRM asked for everything again. A meaning that is empty takes a former one back.
func (f *Feeds) SetStages(ctx context.Context, name string, said map[string]trail.CRMMeaning) error {
	s, err := f.source(name)
	if err != nil {
		return err
	}
	m, err := f.meanings(ctx, s)
	if err != nil {
		return err
	}
	changed := 0
	for _, id := range slices.Sorted(maps.Keys(said)) {
		one := said[id]
		one.Name = strings.TrimSpace(one.Name)
		stage, known := m.stages[id]
		switch {
		case !known:
			return trail.Problemf(trail.Invalid, "%s has no stage %q.", name, id)
		case utf8.RuneCountInString(one.Name) > 100 || strings.ContainsFunc(one.Name, func(r rune) bool { return r < ' ' }):
			return trail.Problemf(trail.Invalid, "The name of stage %q is longer than 100 characters or has a line break.", id)
		case !slices.Contains([]string{"", "open", "won", "lost"}, one.Means):
			return trail.Problemf(trail.Invalid, "Stage %q means %q; expected open, won or lost, or nothing to go by what the CRM says.", id, one.Means)
		}
		if one.Name == stage.Name {
			one.Name = ""
		}
		if one == m.said[id] {
			continue
		}
		changed++
		if one == (trail.CRMMeaning{}) {
			err = f.Redis.HDel(ctx, s.key("stages"), id).Err()
		} else {
			text, _ := json.Marshal(one) // two texts
			err = f.Redis.HSet(ctx, s.key("stages"), id, text).Err()
		}
		if err != nil {
			return unavailable(err)
		}
	}
	if changed == 0 || !s.Pulls() {
		return nil
	}
	return f.Ask(ctx, name, true)
}
