// Package lift holds the statistics behind "does this content move deals": pure
// functions from counts to numbers, with no input, no output and no clock.
//
// Two kinds of counts come in, as whole numbers that the database has summed:
//
//   - [Table]: of one content and one stratum of similar stage entries, how many
//     had seen the content at the landmark and how many had not, and how many of
//     each advanced in the weeks after it. From these come the risk difference,
//     the p-value and the verdict ([Judge]), and the placebo test ([Pool]).
//   - [Cell]: person-weeks at risk with the same stage, segment, week and
//     covariates, and how many of them ended with an advance or a loss. From these
//     comes the hazard model ([Hazard]).
//
// Exposure at a moment uses only what happened before that moment; whoever counts
// must keep to that, because no formula here can mend it.
//
// All intervals are of 95 %. The same counts give the same bytes: in whatever order
// and in however many parts they come, counts of one stratum or cell are added up
// as integers and sorted before anything is done in floating point.
package lift
