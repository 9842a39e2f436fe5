/** ONNX files, and graphs made smaller for them. */
export { encodeModel } from './model.js'
export * from './quantise.js'
