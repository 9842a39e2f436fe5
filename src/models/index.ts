/** Model families that run from a downloaded Hugging Face directory. */
export { type Centroids, nearestCentroids, runsOf, type UnitRun } from './hubert/units.js'
export { type SpeakOptions, type SpeechPlan, Voice } from './vits/index.js'
export { type Classification, SpeechClassifier } from './wav2vec2/classifier.js'
export { SpeechModel, type SpeechModelOptions } from './wav2vec2/model.js'
export { Recogniser, type RecogniserOptions, type Transcript } from './wav2vec2/recogniser.js'
