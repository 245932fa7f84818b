package serialset

const insertionMax = 24 // rows below which insertion is quicker than another pass

// sortRows sorts rows by their serial numbers, in place: most significant
// octet first, each pass distributing by one octet (an "American flag" sort).
// Its time is bounded by rows × width whatever the keys.
func sortRows(rows []byte, stride, width int) {
	var tmp, hole [MaxWidth + valueSize]byte
	radixPass(rows, stride, width, 0, tmp[:stride], hole[:stride])
}

func radixPass(rows []byte, stride, width, at int, tmp, hole []byte) {
	for {
		n := len(rows) / stride
		if n <= insertionMax {
			insertion(rows, stride, min(at, width-8), width)
			return
		}
		if at == width {
			return
		}
		var count [256]int
		for i := at; i < len(rows); i += stride {
			count[rows[i]]++
		}
		if count[rows[at]] == n {
			at++ // all alike in this octet
			continue
		}
		var next, end [256]int
		sum := 0
		for b, c := range count {
			next[b] = sum
			sum += c * stride
			end[b] = sum
		}
		permute(rows, stride, at, &next, &end, tmp, hole)
		start := 0
		for b := range count {
			if count[b] > 1 {
				radixPass(rows[start:end[b]], stride, width, at+1, tmp, hole)
			}
			start = end[b]
		}
		return
	}
}

// permute moves every row into the part of its octet, following cycles.
func permute(rows []byte, stride, at int, next, end *[256]int, tmp, hole []byte) {
	for b := range next {
		for next[b] < end[b] {
			row := rows[next[b] : next[b]+stride]
			to := row[at]
			if int(to) == b {
				next[b] += stride
				continue
			}
			copy(hole, row)
			for int(to) != b {
				dst := rows[next[to] : next[to]+stride]
				next[to] += stride
				copy(tmp, dst)
				copy(dst, hole)
				hole, tmp = tmp, hole
				to = hole[at]
			}
			copy(rows[next[b]:], hole)
			next[b] += stride
		}
	}
}
