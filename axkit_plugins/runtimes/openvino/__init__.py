"""OpenVINO: the graph of onnxruntime, with weights widened when it is loaded, and products in bfloat16."""
