"""Write a GGUF file's copy with every weight dequantised to float32.

Usage: python tools/oracle/gguf_f32.py MODEL.gguf OUT.gguf

With it llama.cpp rounds nothing to 8 bits, so that llama_cpp_top.mjs --float32 can hold the float64 reference to a tight bound.
"""

import sys

import gguf
import numpy as np


def main():
    source = gguf.GGUFReader(sys.argv[1])
    out = gguf.GGUFWriter(sys.argv[2], source.fields["general.architecture"].contents())
    for key, field in source.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue  # the writer's own
        value = 0 if key == "general.file_type" else field.contents()  # 0: all float32
        array = field.types[0] == gguf.GGUFValueType.ARRAY
        out.add_key_value(key, value, field.types[0], sub_type=field.types[-1] if array else None)
    for t in source.tensors:
        shape = tuple(int(n) for n in reversed(t.shape))
        out.add_tensor(t.name, np.array(gguf.quants.dequantize(t.data, t.tensor_type), dtype=np.float32).reshape(shape))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    main()
