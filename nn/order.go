package nn

import "fmt"

// Orders of pixels and tokens, for op.Rows: row i of the result is row order[i].

// Inverse returns the order that takes one back, for a permutation.
func Inverse(order []int32) []int32 {
	back := make([]int32, len(order))
	for i, r := range order {
		back[r] = int32(i)
	}
	return back
}

// PatchOrder is the order of the pixels of n images of h x w in which those of a
// patch of ph x pw follow each other, row by row, patch after patch; reshaped to
// [n*patches, ph*pw*C], a row is a patch.
func PatchOrder(n, h, w, ph, pw int) ([]int32, error) {
	if n < 0 || h < 1 || w < 1 || ph < 1 || pw < 1 || h%ph != 0 || w%pw != 0 {
		return nil, fmt.Errorf("nn: patches of %d x %d don't divide %d images of %d x %d", ph, pw, n, h, w)
	}
	order := make([]int32, 0, n*h*w)
	for i := range n {
		for top := 0; top < h; top += ph {
			for left := 0; left < w; left += pw {
				for y := range ph {
					for x := range pw {
						order = append(order, int32((i*h+top+y)*w+left+x))
					}
				}
			}
		}
	}
	return order, nil
}

// ReflectOrder pads n images of h x w by pad pixels on each side, which mirror those
// inside and don't repeat the edge: PyTorch's "reflect".
func ReflectOrder(n, h, w, pad int) ([]int32, error) {
	if n < 0 || h < 1 || w < 1 || pad < 0 || pad >= h || pad >= w {
		return nil, fmt.Errorf("nn: reflection of %d pixels in images of %d x %d", pad, h, w)
	}
	mirror := func(i, n int) int {
		if i < 0 {
			i = -i
		}
		if i >= n {
			i = 2*(n-1) - i
		}
		return i
	}
	order := make([]int32, 0, n*(h+2*pad)*(w+2*pad))
	for i := range n {
		for y := -pad; y < h+pad; y++ {
			for x := -pad; x < w+pad; x++ {
				order = append(order, int32((i*h+mirror(y, h))*w+mirror(x, w)))
			}
		}
	}
	return order, nil
}

// CrossScan returns the four orders in which VMamba goes through the pixels of an
// image of h x w: row by row, column by column, and each backwards.
func CrossScan(h, w int) [4][]int32 {
	var o [4][]int32
	for i := range h * w {
		o[0] = append(o[0], int32(i))
		o[1] = append(o[1], int32(i%h*w+i/h))
	}
	for k := range 2 {
		for i := range o[k] {
			o[2+k] = append(o[2+k], o[k][len(o[k])-1-i])
		}
	}
	return o
}
