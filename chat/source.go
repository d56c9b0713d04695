package chat

// Source returns the text of the template as Jinja2 reads it: line ends are \n, and the last one is not there.
func (t *Template) Source() string { return t.src }
