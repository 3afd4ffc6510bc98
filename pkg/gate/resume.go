package gate

import (
	"fmt"
	"strconv"
	"strings"
)

// numbers are all that a process needs that takes over, in the order in which they are written down. What the open
// blocks of the dispersion hold is lost with its predecessor.
func (e *MeasureEvidence) numbers() []*float64 {
	n := []*float64{
		&e.Canary.Requests, &e.Canary.Bad, &e.Primary.Requests, &e.Primary.Bad, &e.Ticks, &e.Compared, &e.Debt,
	}
	for _, c := range []*course{&e.Primarily, &e.Objectively} {
		for _, l := range []*likelihood{&c.Now, &c.Lowest[asGood], &c.Lowest[asBadAsToBear]} {
			for i := range l {
				n = append(n, &l[i])
			}
		}
	}
	for i := range e.Dispersion {
		s := &e.Dispersion[i]
		n = append(n, &s.Found, &s.Expected, &s.Primary, &s.Canary)
	}
	return n
}

// precision is how many digits are worth keeping: evidence differs by far more before a verdict changes.
const precision = 6

// Text writes the evidence down in one line.
func (e MeasureEvidence) Text() string {
	var b strings.Builder
	for i, n := range e.numbers() {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.FormatFloat(*n, 'g', precision, 64))
	}
	return b.String()
}

// ParseMeasureEvidence reads what Text wrote.
func ParseMeasureEvidence(text string) (MeasureEvidence, error) {
	var e MeasureEvidence
	numbers, words := e.numbers(), strings.Fields(text)
	if len(words) != len(numbers) {
		return MeasureEvidence{}, fmt.Errorf("evidence has %d numbers, want %d", len(words), len(numbers))
	}
	for i, word := range words {
		n, err := strconv.ParseFloat(word, 64)
		if err != nil || n != n {
			return MeasureEvidence{}, fmt.Errorf("evidence has %q for a number", word)
		}
		*numbers[i] = n
	}
	e.closed = e.Primarily.Now
	return e, nil
}
