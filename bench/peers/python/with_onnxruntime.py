"""onnxruntime on the CPU: graphs of one node, made here."""
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

rng = np.random.default_rng(0)
settings = onnxruntime.SessionOptions()


def kinds(threads):
    settings.intra_op_num_threads = threads
    return KINDS


def session(node, weights, shape):
    """A call of the node on a random input x of this shape. Weights are constants, which onnxruntime packs ahead."""
    initializers = [onnx.numpy_helper.from_array(w, name) for name, w in weights.items()]
    graph = helper.make_graph(
        [node], "row", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    s = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    inputs = {"x": rng.standard_normal(shape, dtype=np.float32)}
    return lambda: s.run(None, inputs)


def array(*shape):
    return rng.standard_normal(shape, dtype=np.float32)


def matmul(m, n, k):
    return session(helper.make_node("Gemm", ["x", "w"], ["y"], transB=1), {"w": array(n, k)}, (m, k))


def conv(n, h, w, c, out, size, groups=1, stride=1):
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=groups, pads=[size // 2] * 4, strides=[stride] * 2)
    return session(node, {"w": array(out, c // groups, size, size)}, (n, c, h, w))


def layernorm(rows, width):
    node = helper.make_node("LayerNormalization", ["x", "w", "b"], ["y"], axis=-1)
    return session(node, {"w": array(width), "b": array(width)}, (rows, width))


def softmax(rows, width):
    return session(helper.make_node("Softmax", ["x"], ["y"], axis=-1), {}, (rows, width))


KINDS = {"matmul": matmul, "conv": conv, "layernorm": layernorm, "softmax": softmax}
