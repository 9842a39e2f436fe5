/** Text to speech: VITS and the MMS-TTS voices. */
export { isVitsConfig, parseVitsConfig, type VitsConfig } from './config.js'
export { type Synthesis, type SynthesisOptions, VitsModel, type VitsModelOptions } from './model.js'
export { MOST_CHARACTERS, type SpeakOptions, type SpeechPlan, Voice } from './voice.js'
