/** Speech models that come as ONNX files. */
export * from './model.js'
