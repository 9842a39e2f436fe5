/** What the catalogue calls such models and their files; apart, so that it need not load an engine for that. */
export const ONNX_FAMILY = 'onnx'
/** As exporters have it. */
export const ONNX_FILE = 'model.onnx'
