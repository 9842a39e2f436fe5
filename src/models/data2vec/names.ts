/**
 * What checkpoints of data2vec text and vision call their classes and tensors. The models' definitions use the names of
 * the encoder alone, and those of the heads; all differences between published files are here.
 */

/** What a text checkpoint was made for. */
export type TextTask = 'encoder' | 'masked-lm' | 'classification'
/** What a vision checkpoint was made for. */
export type VisionTask = 'encoder' | 'classification'

/** Published classes, by what `architectures` in config.json calls them. */
export const textArchitectures: Readonly<Record<string, TextTask>> = {
  Data2VecTextModel: 'encoder',
  Data2VecTextForMaskedLM: 'masked-lm',
  Data2VecTextForSequenceClassification: 'classification',
}
export const visionArchitectures: Readonly<Record<string, VisionTask>> = {
  Data2VecVisionModel: 'encoder',
  Data2VecVisionForImageClassification: 'classification',
}

/** How a family's tensors are named. */
export interface Naming {
  /** What stands before the encoder's names; nothing where it was saved alone. */
  readonly prefix: string
  /** A tensor that every encoder has: its full name tells whether the prefix is there. */
  readonly landmark: string
  /** How a head's names begin; they have no prefix in any file. */
  readonly heads: readonly string[]
  /** Of the encoder's names: what models without use for it leave alone. */
  readonly unused: RegExp
}

export const textNaming: Naming = {
  prefix: 'data2vec_text.',
  landmark: 'embeddings.word_embeddings.weight',
  heads: ['lm_head.', 'classifier.'],
  // BERT's pooler, which no published task of this family trains, and a counter that older versions stored.
  unused: /^pooler\.|^embeddings\.position_ids$/,
}

export const visionNaming: Naming = {
  prefix: 'data2vec_vision.',
  landmark: 'embeddings.patch_embeddings.projection.weight',
  heads: ['classifier.'],
  // Older versions stored the index that the table is read by.
  unused: /relative_position_index$/,
}

export const isHead = (name: string, { heads }: Naming): boolean =>
  heads.some((head) => name.startsWith(head))
