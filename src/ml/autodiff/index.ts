/** Gradients of graphs. */
export { gradients } from './gradients.js'
