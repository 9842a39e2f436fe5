/** Model families that run from a downloaded Hugging Face directory. */
export { SpeechModel, type SpeechModelOptions } from './wav2vec2/model.js'
