package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Measures of a chart, in pixels.
const (
	chartWidth, chartHeight = 720, 400
	left, right             = 64, 190 // beside the axes; the lines' names stand on the right
	top, bottom             = 40, 48
)

// colours of the lines: told apart by eyes that see red and green alike, and
// on a light ground as on a dark one. The first is that of crlgate.
var colours = []string{"#0a84d6", "#e07b00", "#009e73", "#cc5fa0", "#8a6fd1", "#b08a00"}

// axis maps numbers onto pixels, by their logarithms.
type axis struct {
	from, to float64 // powers of ten
	at, size float64 // pixels
}

func newAxis(lo, hi, at, size float64) axis {
	a := axis{math.Floor(math.Log10(lo) + 1e-9), math.Ceil(math.Log10(hi) - 1e-9), at, size}
	if a.from == a.to {
		a.to++
	}
	return a
}

func (a axis) of(x float64) float64 {
	return a.at + (math.Log10(x)-a.from)/(a.to-a.from)*a.size
}

// svg draws the chart. Text and grid are of a grey that can be read on white
// and on black, and the ground is left open.
func (c chart) svg() string {
	lo, hi := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{}
	for _, s := range c.Series {
		for _, p := range s.Points {
			for k := range p {
				lo[k], hi[k] = min(lo[k], p[k]), max(hi[k], p[k])
			}
		}
	}
	x := newAxis(lo[0], hi[0], left, chartWidth-left-right)
	y := newAxis(lo[1], hi[1], chartHeight-bottom, -(chartHeight - top - bottom))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#808590">`+"\n", chartWidth, chartHeight)
	fmt.Fprintf(&b, "<title>%s: %s by number of entries, both logarithmic</title>\n", html.EscapeString(c.Title), html.EscapeString(c.Y))
	fmt.Fprintf(&b, `<text x="%d" y="22" font-size="15" font-weight="600">%s</text>`+"\n", left, html.EscapeString(c.Title))
	c.grid(&b, x, y)
	c.lines(&b, x, y)
	b.WriteString("</svg>\n")
	return b.String()
}

// grid draws axes, a line for every power of ten, and what they mean.
func (c chart) grid(b *strings.Builder, x, y axis) {
	for e := x.from; e <= x.to; e++ {
		at := x.of(math.Pow(10, e))
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" stroke="#808590" stroke-opacity=".25"/>`, at, top, chartHeight-bottom)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", at, chartHeight-bottom+18, tick(e))
	}
	for e := y.from; e <= y.to; e++ {
		at := y.of(math.Pow(10, e))
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#808590" stroke-opacity=".25"/>`, left, at, chartWidth-right)
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left-8, at+4, tick(e))
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">entries</text>`+"\n", float64(left+chartWidth-right)/2, chartHeight-10)
	fmt.Fprintf(b, `<text transform="translate(16 %.1f) rotate(-90)" text-anchor="middle">%s</text>`+"\n", float64(top+chartHeight-bottom)/2, html.EscapeString(c.Y))
}

// tick writes a power of ten.
func tick(e float64) string {
	switch {
	case e >= 6 && e < 9:
		return number(math.Pow(10, e-6)) + "M"
	case e >= 3 && e < 6:
		return number(math.Pow(10, e-3)) + "k"
	}
	return number(math.Pow(10, e))
}

// lines draws the lines, each with its name at its end.
func (c chart) lines(b *strings.Builder, x, y axis) {
	names, others := c.nameRows(y), 0
	for i, s := range c.Series {
		colour := colours[0]
		if !ofCrlgate(s.Name) {
			others++
			colour = colours[1+(others-1)%(len(colours)-1)]
		}
		var path strings.Builder
		for k, p := range s.Points {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(k, 1)], x.of(p[0]), y.of(p[1]))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, x.of(p[0]), y.of(p[1]), colour)
		}
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`, path.String(), colour)
		fmt.Fprintf(b, `<text x="%d" y="%.1f" fill="%s">%s</text>`+"\n", chartWidth-right+10, names[i]+4, colour, html.EscapeString(s.Name))
	}
}

// ofCrlgate reports whether a line is that of crlgate on usual input.
func ofCrlgate(name string) bool {
	return name == "crlgate" || name == "crlgate flatten" || name == random.name || strings.HasPrefix(name, "serialset")
}

// nameRows places the names beside the ends of their lines, one row apart at
// least.
func (c chart) nameRows(y axis) []float64 {
	const apart = 16
	rows := make([]float64, len(c.Series))
	order := make([]int, len(c.Series))
	for i, s := range c.Series {
		rows[i], order[i] = y.of(s.Points[len(s.Points)-1][1]), i
	}
	for i := range order { // few: by insertion
		for k := i; k > 0 && rows[order[k]] < rows[order[k-1]]; k-- {
			order[k], order[k-1] = order[k-1], order[k]
		}
	}
	for k := 1; k < len(order); k++ {
		rows[order[k]] = max(rows[order[k]], rows[order[k-1]]+apart)
	}
	lowest := float64(chartHeight - bottom)
	for k := len(order) - 1; k >= 0; k-- {
		rows[order[k]] = min(rows[order[k]], lowest)
		lowest = rows[order[k]] - apart
	}
	return rows
}
