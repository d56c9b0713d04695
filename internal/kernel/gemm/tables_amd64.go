package gemm

import "github.com/micaml/mica/tensor"

var avx512 = kernels{
	tilesF32: shapes{
		{tileF32_1x1_512, tileF32_1x2_512, tileF32_1x3_512, tileF32_1x4_512},
		{tileF32_2x1_512, tileF32_2x2_512, tileF32_2x3_512, tileF32_2x4_512},
		{tileF32_3x1_512, tileF32_3x2_512, tileF32_3x3_512, tileF32_3x4_512},
		{tileF32_4x1_512, tileF32_4x2_512, tileF32_4x3_512, tileF32_4x4_512},
		{tileF32_5x1_512, tileF32_5x2_512, tileF32_5x3_512, tileF32_5x4_512},
		{tileF32_6x1_512, tileF32_6x2_512, tileF32_6x3_512, tileF32_6x4_512},
	},
	tilesF16: shapes{
		{tileF16_1x1_512, tileF16_1x2_512, tileF16_1x3_512, tileF16_1x4_512},
		{tileF16_2x1_512, tileF16_2x2_512, tileF16_2x3_512, tileF16_2x4_512},
		{tileF16_3x1_512, tileF16_3x2_512, tileF16_3x3_512, tileF16_3x4_512},
		{tileF16_4x1_512, tileF16_4x2_512, tileF16_4x3_512, tileF16_4x4_512},
		{tileF16_5x1_512, tileF16_5x2_512, tileF16_5x3_512, tileF16_5x4_512},
		{tileF16_6x1_512, tileF16_6x2_512, tileF16_6x3_512, tileF16_6x4_512},
	},
	read: [...]readers{
		tensor.F32: {step: 16, packT: packTF32_512, gemv16: gemvF32_16_512, gemv32: gemvF32_32_512,
			few: [...]fewFunc{fewF32_2_512, fewF32_3_512, fewF32_4_512, fewF32_5_512, fewF32_6_512, fewF32_7_512, fewF32_8_512}, packN: packNF32_512, masked: true},
		tensor.F16: {step: 32, packT: packTF16_512, gemv16: gemvF16_16_512, gemv32: gemvF16_32_512,
			few: [...]fewFunc{fewF16_2_512, fewF16_3_512, fewF16_4_512, fewF16_5_512, fewF16_6_512, fewF16_7_512, fewF16_8_512}, packN: packNF16_512, masked: true},
		tensor.BF16: {step: 32, packT: packTBF16_512, gemv16: gemvBF16_16_512, gemv32: gemvBF16_32_512,
			few: [...]fewFunc{fewBF16_2_512, fewBF16_3_512, fewBF16_4_512, fewBF16_5_512, fewBF16_6_512, fewBF16_7_512, fewBF16_8_512}, packN: packNBF16_512, masked: true},
		tensor.Q8_0: {step: 32, packT: packTQ8_0_512, gemv16: gemvQ8_0_16_512, gemv32: gemvQ8_0_32_512,
			few: [...]fewFunc{fewQ8_0_2_512, fewQ8_0_3_512, fewQ8_0_4_512, fewQ8_0_5_512, fewQ8_0_6_512, fewQ8_0_7_512, fewQ8_0_8_512}, packN: packNQ8_0_512, masked: true},
		tensor.Q4_0: {step: 32, packT: packTQ4_0_512, gemv16: gemvQ4_0_16_512, gemv32: gemvQ4_0_32_512,
			few: [...]fewFunc{fewQ4_0_2_512, fewQ4_0_3_512, fewQ4_0_4_512, fewQ4_0_5_512, fewQ4_0_6_512, fewQ4_0_7_512, fewQ4_0_8_512}, packN: packNQ4_0_512, masked: true},
		tensor.Q4_1: {step: 32, packT: packTQ4_1_512, gemv16: gemvQ4_1_16_512, gemv32: gemvQ4_1_32_512,
			few: [...]fewFunc{fewQ4_1_2_512, fewQ4_1_3_512, fewQ4_1_4_512, fewQ4_1_5_512, fewQ4_1_6_512, fewQ4_1_7_512, fewQ4_1_8_512}, packN: packNQ4_1_512, masked: true},
		tensor.Q5_0: {packN: packNQ5_0_512, masked: true},
		tensor.Q5_1: {packN: packNQ5_1_512, masked: true},
		tensor.Q4_K: {quarter: quarterQ4_K_512},
		tensor.Q5_K: {quarter: quarterQ5_K_512},
		tensor.Q6_K: {quarter: quarterQ6_K_512},
	},
}

// AVX2 transposes float32 only. Rows of other dtypes are decoded along, which
// costs a store and a load from the first-level cache.
var avx2 = kernels{
	tilesF32: shapes{
		{tileF32_1x1_256, tileF32_1x2_256, tileF32_1x3_256, tileF32_1x4_256},
		{tileF32_2x1_256, tileF32_2x2_256},
		{tileF32_3x1_256, tileF32_3x2_256},
		{tileF32_4x1_256},
		{tileF32_5x1_256},
		{tileF32_6x1_256},
	},
	tilesF16: shapes{
		{tileF16_1x1_256, tileF16_1x2_256, tileF16_1x3_256, tileF16_1x4_256},
		{tileF16_2x1_256, tileF16_2x2_256},
		{tileF16_3x1_256, tileF16_3x2_256},
		{tileF16_4x1_256},
		{tileF16_5x1_256},
		{tileF16_6x1_256},
	},
	read: [...]readers{
		tensor.F32:  {step: 4, packT: packTF32_256, gemv16: gemvF32_16_256, packN: packNF32_256, masked: true},
		tensor.F16:  {packN: packNF16_256},
		tensor.BF16: {packN: packNBF16_256},
		tensor.Q8_0: {packN: packNQ8_0_256, masked: true},
		tensor.Q4_0: {packN: packNQ4_0_256, masked: true},
		tensor.Q4_1: {packN: packNQ4_1_256, masked: true},
		tensor.Q5_0: {packN: packNQ5_0_256, masked: true},
		tensor.Q5_1: {packN: packNQ5_1_256, masked: true},
		tensor.Q4_K: {quarter: quarterQ4_K_256},
		tensor.Q5_K: {quarter: quarterQ5_K_256},
		tensor.Q6_K: {quarter: quarterQ6_K_256},
	},
}
