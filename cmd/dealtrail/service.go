package main

import (
	"fmt"
	"time"

	"dealtrail/trail"
)

// service is how fast a lead is answered, by the configuration.
func (c *Config) service() trail.ServiceTerms {
	hours, _ := trail.ParseHours(c.Service.Hours) // checked at the start
	return trail.ServiceTerms{Answer: time.Duration(c.Service.AnswerHours) * time.Hour, Hours: hours}
}

// checkService refuses hours that cannot be kept.
func (c *Config) checkService() error {
	if h := c.Service.AnswerHours; h < 1 || h > 24*90 {
		return fmt.Errorf("%s: service.answer_hours is %d; expected 1 to 2160", c.path, h)
	}
	if _, err := trail.ParseHours(c.Service.Hours); err != nil {
		return fmt.Errorf("%s: service.hours: %w", c.path, err)
	}
	return nil
}
