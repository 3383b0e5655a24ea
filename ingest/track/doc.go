// Package track answers the requests that prospects' programs make: the pixel
// and the redirect. It says who asked (a person, a mail provider's proxy, a
// scanner) and hands the event on.
//
// A redirect never waits for analytics: the token is opened and the target found
// in memory, the event gets 50 ms to become durable, and the answer goes out in
// any case. A link leads where a marketer registered it to lead, byte for byte,
// and nowhere else. Machines get the same answer as people, because they judge
// what people will see. Addresses and user agents are looked at and forgotten:
// they are in no event and no log. Events keep what the requests showed as signs
// ([Observe]), by which they are judged ([Judge]), and judged again beside each
// other ([Together]). docs/tracking.md has the whole of it.
package track
