package trail

import (
	"context"
	"errors"
	"fmt"
)

// Problem is an error that may be shown to whoever asked: a code for programs
// and a sentence a person can act on. All other errors are logged and shown as
// an internal error.
type Problem struct {
	Code Code
	Text string
}

// Code is the kind of a problem. The api package gives each an HTTP status.
type Code string

// The codes.
const (
	Invalid      Code = "invalid"       // the request cannot be understood or breaks a rule
	NotFound     Code = "not_found"     // no such thing
	NoRun        Code = "no_run"        // no attribution run answers this question yet
	Unauthorized Code = "unauthorized"  // no key or session
	Forbidden    Code = "forbidden"     // a key or session that may not do this
	Conflict     Code = "conflict"      // it exists already, or somebody else is at it
	TooMany      Code = "too_many"      // asked or tried too often
	TooLarge     Code = "too_large"     // the body is over the limit
	Unavailable  Code = "unavailable"   // try again in a moment
	LocalAddress Code = "local_address" // no tracked link can be made for a local public address
)

// Problemf returns a Problem; the text is a whole sentence.
func Problemf(code Code, format string, args ...any) error {
	return &Problem{Code: code, Text: fmt.Sprintf(format, args...)}
}

func (p *Problem) Error() string { return p.Text }

// Because adds to an error why the context of the work was ended, such as that another
// process has taken it over; nil stays nil.
func Because(ctx context.Context, err error) error {
	if why := context.Cause(ctx); err != nil && why != nil && why != ctx.Err() {
		return errors.Join(why, err)
	}
	return err
}
