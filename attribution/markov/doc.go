// Package markov computes what a whole set of closed deals says about each
// content: Markov removal effects, Shapley values of the same chain, and how
// far both would move had chance sent us other deals. It is arithmetic only, no
// input or output.
//
// # The chain
//
// A journey is a closed deal's path. States are a start, the journeys' k-grams
// ([Gram], k is the order), and two ends, won and lost. A journey of n >= k
// contents visits grams 1..k, 2..k+1, and so on; a shorter one is one gram of
// length n; an empty one goes from the start to its end and stays in, or the
// probability of a conversion would be wrong. Q[i][j] is the share of the
// journeys leaving i that go to j, r[i] the share that are won there and then,
// rv[i] the value won there per journey leaving i, in minor units (so value
// depends on the last state only, as in ChannelAttribution).
//
//	N    = (I-Q)^-1                   the fundamental matrix
//	h    = N r,  hv = N rv            success and value to be expected from a state
//	P    = h[start]                   P(conversion) = conversions / journeys
//	RE_c = N[0,S] N[S,S]^-1 h[S] / P  S: the states that contain c, 0: the start
//
// RE_c, the removal effect, is the part of all conversions that is lost when
// entering a state with c ends the journey as lost. At order 1 it is
// N[0,c] / N[c,c] x h[c] / P, the chance of ever visiting c times success from
// there. Sources: Kemeny and Snell, Finite Markov Chains (1960), chapter 3, for
// N; Anderl, Becker, von Wangenheim and Schumann (IJRM 2016) for the model.
//
// Because every journey that enters a state leaves it, N[0,s] is exactly the
// visits of s over the journeys; nothing is simulated. Order 1 inverts I-Q
// densely. At orders 2 and 3 N[0,S] N[S,S]^-1 h[S] is the start's value d[0] of
// d = h on S, d = Q d elsewhere, solved by Gauss-Seidel sweeps, and GMRES where
// journeys go round for long, until a bound on what is left is nothing beside it.
//
// # Credit
//
// RE do not add up to 1. A content's share is RE_c / sum RE, its credit that
// share of all conversions and of the whole value. This is the model's
// aggregate; it does not add up to single deals and stands beside the money that
// does. [Result.Untouched] says how much of the totals was won without any content.
//
// # Shapley
//
// Players are contents, v(S) is P (or value per journey) of the order 1 chain in
// which entering any content outside S ends the journey as lost. v never
// decreases, so no value is negative; values add up to v(all) - v(none). With M
// the part of I-Q inside S, v(S) = r[0] + q M^-1 r, and M = LU without pivoting
// gives prefixes of an order their worth for free: what the i-th content adds is
// (q U^-1)[i] (L^-1 r)[i]. So one more content costs O(K^2), nothing is
// subtracted, and nothing cancels. Exact to [MaxExact] contents, above that by
// permutations and their reverses (antithetic pairs) with a reported error.
// Source: Shapley (1953); sampling: Castro, Gomez and Tejada (2009).
//
// # Intervals
//
// A Poisson(1) weight per deal, derived from a hash of the deal's ID, so reruns
// agree and SQL can draw the same ([Weight]); percentiles of the replicates
// (Efron 1979; Chamandy and others 2012 for Poisson weights). They are sampling
// error only and say nothing about cause.
//
// # Edge cases
//
//   - Without lost deals every P is 1 and a removal effect only says how common a
//     content is: refused with a [trail.Problem].
//   - Without won deals P is 0: removal effects, shares and credits are 0 by
//     definition. The same for value when the whole value is 0.
//   - A content that no journey contains has effect, share and credit 0.
//   - A single content of every won deal has effect 1.
//   - Steps from a state to itself change no result and are dropped. Collapsing
//     repeated contents does change orders 2 and 3 and is up to the caller.
//   - Negative values are refused: the caller passes 0 and says how many there were.
//
// # The same bytes
//
// Across rows only integers are summed; states and edges are sorted before
// anything is divided. So rows may come in any order and split in any way.
package markov
