/**
 * What checkpoints of the family call their tensors. The model's definition uses one name for each: those of the
 * encoder alone, and those of the heads. All differences between published files are here.
 */

/** What a checkpoint was made for. */
export type Task = 'encoder' | 'ctc' | 'classification' | 'frame-classification' | 'pretraining'

/** Published classes, by what `architectures` in config.json calls them. */
export const architectures: Readonly<Record<string, Task>> = {
  Wav2Vec2Model: 'encoder',
  Wav2Vec2ForCTC: 'ctc',
  Wav2Vec2ForSequenceClassification: 'classification',
  Wav2Vec2ForAudioFrameClassification: 'frame-classification',
  Wav2Vec2ForPreTraining: 'pretraining',
  HubertModel: 'encoder',
  HubertForCTC: 'ctc',
  HubertForSequenceClassification: 'classification',
  Data2VecAudioModel: 'encoder',
  Data2VecAudioForCTC: 'ctc',
  Data2VecAudioForSequenceClassification: 'classification',
  Data2VecAudioForAudioFrameClassification: 'frame-classification',
}

/** What stands before an encoder's names: nothing where the encoder was saved alone. */
export const encoderPrefixes = ['', 'wav2vec2.', 'hubert.', 'data2vec_audio.'] as const

/** How a head's names begin; they have no prefix in any file. */
export const headNames = [
  'lm_head.',
  'projector.',
  'classifier.',
  'layer_weights',
  'quantizer.',
  'project_q.',
  'project_hid.',
] as const

/** A tensor that every encoder has: its full name tells the prefix. */
export const landmark = 'feature_projection.projection.weight'

/** Of every encoder, yet of no use without masking. */
export const maskEmbedding = 'masked_spec_embed'

/** A counter that PyTorch keeps beside a batch norm. */
export const batchCounter = 'num_batches_tracked'

/** Weights that belong to a language, in the model and in `adapter.{language}.safetensors` alike. */
export const isOfLanguage = (name: string): boolean =>
  name.includes('.adapter_layer.') || name.startsWith('lm_head.')

export const isHead = (name: string): boolean => headNames.some((head) => name.startsWith(head))

/** The prefix of a file's encoder, by where the landmark is; undefined where it is nowhere. */
export const prefixIn = (has: (name: string) => boolean): string | undefined =>
  encoderPrefixes.find((prefix) => has(prefix + landmark))
