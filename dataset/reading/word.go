package reading

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// heldOut says whether a word is for evaluations alone: one in eight is.
func heldOut(s string) bool {
	h := sha256.Sum256([]byte(s))
	return h[0]&7 == 0
}

// draw makes words of one side: those learnt from, or those held out.
type draw struct {
	*rand.Rand
	held, heldWording bool
}

// word calls f until what it makes is on the right side. Each f makes words of both.
func (d *draw) word(f func(*draw) string) string {
	for range 1 << 16 {
		if s := f(d); heldOut(s) == d.held {
			return s
		}
	}
	panic("reading: a table has no word of one side") // which tests rule out
}

// of draws from a table.
func (d *draw) of(table []string) string { return table[d.IntN(len(table))] }

// wording draws one of several ways to say a thing, the last of which is held out.
func (d *draw) wording(ways []string) string {
	if d.heldWording {
		return ways[len(ways)-1]
	}
	return d.of(ways[:len(ways)-1])
}

var (
	onsets  = strings.Fields("b br c ch d dr f fr g gr h j k kl l m n p pr r s sh sk st t th tr v w z")
	vowels  = strings.Fields("a e i o u ai ea ee ia o ou")
	codas   = strings.Fields("b ck d g l ll m n nd ng r rd rn s sk st t th x z")
	endings = strings.Fields("by dale field ford ham ia land mouth port stead ton vale ville wick worth")

	forenames = strings.Fields(`Ada Agnes Alan Alice Amos Anna Arthur Beatrice Boris Bruno Carla Cecil Clara Conrad Daphne David Dora
		Edgar Edith Elias Ellen Emil Emma Ernest Esther Eva Felix Flora Frank Frida George Gilbert Grace Greta Hannah Harold Hector Helen
		Henry Hilda Hugo Ida Irene Isaac Ivan Jack James Jane Jasper Joan John Judith Julia Karl Kate Laura Leo Lewis Lily Louis Lucy Luke
		Mabel Marcus Maria Martha Martin Mary Max Miles Mona Nancy Nathan Nina Nora Olga Oliver Oscar Otto Paul Peter Philip Ralph Rita
		Robert Rose Ruth Samuel Sarah Simon Sofia Stella Susan Theo Thomas Ursula Vera Victor Violet Walter Wanda Wilma`)
	cities = strings.Fields(`Accra Amsterdam Ankara Athens Baku Bangkok Belgrade Berlin Bern Bogota Boston Bristol Brussels Budapest
		Cairo Calgary Caracas Chicago Copenhagen Dakar Delhi Denver Dublin Edinburgh Florence Geneva Glasgow Hamburg Hanoi Havana Helsinki
		Istanbul Jakarta Kiev Lagos Leeds Lima Lisbon London Lyon Madrid Manila Melbourne Milan Montreal Moscow Munich Nairobi Naples
		Odessa Osaka Oslo Ottawa Oxford Paris Perth Porto Prague Quito Riga Rome Seoul Seville Sofia Stockholm Sydney Tallinn Tokyo Toronto
		Tunis Turin Utrecht Valencia Venice Vienna Vilnius Warsaw York Zagreb Zurich`)
	things = strings.Fields(`anchor apron axe bag ball banner barrel basin basket bell belt bench blanket book boot bottle bowl box brick
		bridge broom brush bucket button cabinet cage candle cap cart chain chair chest clock cloak coat coin comb cork cradle crown cup
		curtain cushion desk dial dish door drum engine fan feather fence flag flask flute fork fountain frame gate glass globe glove gown
		hammer harp hat hinge hook horn jar jug kettle key kite knife ladder lamp lantern lens lid lock loom map mask mat mirror mug nail
		needle net oar oven paddle pan pen piano pillow pin pipe plate plough pot pump quilt rake ribbon ring rope rug saddle sail saw
		scarf shelf shield shoe shovel sieve spade spoon stool stove sword table tent tray trunk tub umbrella vase violin wagon wheel
		whistle window`)
	colours = strings.Fields("amber azure beige black blue bronze brown copper crimson cyan golden green grey indigo ivory lilac maroon olive orange pink plum purple red rose scarlet silver tan teal turquoise violet white yellow")
	trades  = strings.Fields(`actor baker barber brewer butcher carpenter chemist clerk cook cooper dentist diver doctor driver farmer
		fisher gardener glazier grocer guard hatter hunter joiner judge lawyer mason miller miner nurse painter pilot plumber poet
		porter potter printer sailor singer smith surgeon tailor tanner teacher tinker trader waiter weaver writer`)
	months = strings.Fields("January February March April May June July August September October November December")
	// No kin is a trade as well: "Ada is a teacher" would be two facts.
	kin   = strings.Fields("sister brother mother father uncle aunt cousin neighbour pupil rival partner friend")
	deeds = []string{"eat a sandwich", "listen to the band", "look at the stars", "drink tea", "buy flowers", "draw the houses", "feed the ducks",
		"take a walk", "watch the ships", "taste the bread", "sleep", "count the bells", "read a book", "fly a kite", "sing", "wait for the rain"}
	places = []string{"in the old park", "on the hill", "beside the river", "on the square", "from the tower", "at the mill", "under the bridge",
		"along the wall", "in the port", "in the garden", "at the canal", "behind the church", "on the market", "near the museum"}
)

func syllables(d *draw, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(d.of(onsets) + d.of(vowels))
		if i == n-1 || d.IntN(3) == 0 {
			b.WriteString(d.of(codas))
		}
	}
	return b.String()
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// person is a name that there is or a made-up one, half of them with a family's.
func person(d *draw) string {
	name := capital(syllables(d, 2))
	if d.IntN(2) == 0 {
		name = d.of(forenames)
	}
	if d.IntN(2) == 0 {
		name += " " + capital(syllables(d, 1+d.IntN(2)))
	}
	return name
}

func city(d *draw) string {
	if d.IntN(2) == 0 {
		return d.of(cities)
	}
	return capital(syllables(d, 1)) + d.of(endings)
}

func thing(d *draw) string    { return d.of(things) }
func colour(d *draw) string   { return d.of(colours) }
func trade(d *draw) string    { return d.of(trades) }
func deed(d *draw) string     { return d.of(deeds) + " " + d.of(places) }
func coloured(d *draw) string { return d.of(colours) + " " + d.of(things) }
func madeUp(d *draw) string   { return syllables(d, 1+d.IntN(3)) }

// digits is a number of 2 to 6 digits.
func digits(d *draw) string {
	least := [...]int{10, 100, 1000, 10000, 10000, 100000}[d.IntN(6)]
	return strconv.Itoa(least + d.IntN(9*least))
}

func year(d *draw) string { return strconv.Itoa(1500 + d.IntN(600)) }

func date(d *draw) string { return fmt.Sprintf("%d %s %s", 1+d.IntN(28), d.of(months), year(d)) }
