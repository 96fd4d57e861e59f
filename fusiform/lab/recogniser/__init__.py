"""Your own recogniser: faces of a folder or pack in, an ONNX file with its card out."""
