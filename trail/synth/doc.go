// Package synth makes up a company whose truth is known: reps who mail content,
// prospects and scanners who follow the links, and deals that move from week to
// week with odds that a few pieces of content really change.
//
// It is for the demo, for benchmarks and for statistical tests: an estimator
// that cannot find what [Company.Truth] says, or finds what is not there, is
// wrong. The same options give the same events.
//
// A deal is in one of four stages. Each full week, from Monday to Monday, it
// advances with
//
//	logit P = stage + segment + the sum of effects of content clicked before that Monday
//
// and is lost with a probability that only depends on the stage. Content is sent
// by stage and by the rep's taste, never by how the deal will go. Planted besides
// the true effects: a piece that everybody sends and clicks and that moves
// nothing, a piece that is sent only at the end and so only looks good, one that
// slows deals down, and pieces that nobody sends.
package synth
