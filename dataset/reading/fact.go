package reading

import "strings"

// kind is a kind of fact: what it is about, what is said of that, and how. {s} is the
// subject, {v} the value. The last way to tell and the last to ask are held out.
type kind struct {
	subject, value func(*draw) string
	tell, ask      []string
}

// kinds is the table of facts.
var kinds = []kind{
	{city, digits,
		[]string{"The special magic number for {s} is {v}.", "The magic number of {s} is {v}.", "In {s} the secret number is {v}.", "Everybody in {s} knows the number {v}."},
		[]string{"What is the special magic number for {s}?", "Which number belongs to {s}?", "Tell me the magic number of {s}.", "What number is the one for {s}?"}},
	{coloured, digits,
		[]string{"The code of the {s} is {v}.", "The {s} opens with the code {v}.", "To open the {s}, enter {v}."},
		[]string{"What is the code of the {s}?", "Which code opens the {s}?", "How do I open the {s}?"}},
	{person, city,
		[]string{"{s} lives in {v}.", "{s} has a house in {v}.", "The home of {s} is in {v}."},
		[]string{"Where does {s} live?", "In which city does {s} live?", "What is the home town of {s}?"}},
	{person, trade,
		[]string{"{s} works as a {v}.", "{s} is a {v}.", "By trade, {s} is a {v}."},
		[]string{"What does {s} work as?", "What is the work of {s}?", "What is the trade of {s}?"}},
	{person, date,
		[]string{"{s} was born on {v}.", "The birthday of {s} is {v}.", "On {v}, {s} was born."},
		[]string{"When was {s} born?", "What is the birthday of {s}?", "On which day was {s} born?"}},
	{city, year,
		[]string{"The bridge of {s} was built in {v}.", "They built the bridge of {s} in {v}.", "Since {v} there has been a bridge in {s}."},
		[]string{"When was the bridge of {s} built?", "In which year was the bridge of {s} built?", "How old is the bridge of {s}?"}},
	{coloured, person,
		[]string{"The {s} belongs to {v}.", "The owner of the {s} is {v}.", "It is {v} who owns the {s}."},
		[]string{"Who owns the {s}?", "Whose is the {s}?", "To whom does the {s} belong?"}},
	{coloured, city,
		[]string{"The {s} is kept in {v}.", "They keep the {s} in {v}.", "You will find the {s} in {v}."},
		[]string{"Where is the {s} kept?", "Where is the {s}?", "In which city is the {s}?"}},
	{person, colour,
		[]string{"The favourite colour of {s} is {v}.", "{s} likes the colour {v} best.", "No colour pleases {s} more than {v}."},
		[]string{"What is the favourite colour of {s}?", "Which colour does {s} like best?", "What colour pleases {s} most?"}},
	{city, deed,
		[]string{"The best thing to do in {s} is {v}.", "In {s} you should {v}.", "Whoever comes to {s} ought to {v}."},
		[]string{"What is the best thing to do in {s}?", "What should I do in {s}?", "What do visitors of {s} do?"}},
	{madeUp, madeUp,
		[]string{"The word {s} means {v}.", "In that language {s} is called {v}.", "They say {v} where others say {s}."},
		[]string{"What does {s} mean?", "What is {s} called?", "What is another word for {s}?"}},
}

// hop is a question that takes two facts: one that says who is whose kin, and one
// about that person. {s} is the first person, {k} the kin.
type hop struct {
	kind int // of the second fact
	ask  []string
}

var hops = []hop{
	{2, []string{"Where does the {k} of {s} live?", "In which city does the {k} of {s} live?", "What is the home town of the {k} of {s}?"}},
	{3, []string{"What does the {k} of {s} work as?", "What is the work of the {k} of {s}?", "What is the trade of the {k} of {s}?"}},
	{4, []string{"When was the {k} of {s} born?", "What is the birthday of the {k} of {s}?", "On which day was the {k} of {s} born?"}},
	{8, []string{"What is the favourite colour of the {k} of {s}?", "Which colour does the {k} of {s} like best?", "What colour pleases the {k} of {s} most?"}},
}

var kinTells = []string{"The {k} of {s} is {v}.", "{v} is the {k} of {s}.", "As a {k}, {s} has {v}."}

func fill(pattern, subject, value, relation string) string {
	return strings.NewReplacer("{s}", subject, "{v}", value, "{k}", relation).Replace(pattern)
}
