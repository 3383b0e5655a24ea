// Package trail is the vocabulary of dealtrail: what an event is, how facts get
// their IDs, what a token hides, and what the reports return.
//
// Everything that happens is an [Event]: a mail sent, a link clicked, a deal
// that changed stage, a piece of content registered. Sources hand events to an
// [Emit]; the buffer, the loader and one table carry them; contacts, deals,
// shares and reports are computed from that table. Nothing flows back.
//
// The package imports the standard library only and does no input or output.
package trail
