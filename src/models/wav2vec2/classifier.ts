/** Which of its labels a recording is: MMS language identification and other classifiers of whole recordings. */
import { UserError } from '../../errors.js'
import { type SoundBatch, SpeechModel, type SpeechModelOptions } from './model.js'

export interface Classification {
  readonly label: string
  /** Of the label, between 0 and 1. */
  readonly probability: number
  /** Logits, one a label. */
  readonly logits: Float32Array
}

export class SpeechClassifier {
  readonly model: SpeechModel

  private constructor(model: SpeechModel) {
    this.model = model
  }

  /** @throws UserError where the directory holds no classifier of recordings. */
  static async open(
    directory: string,
    options: Pick<SpeechModelOptions, 'threads' | 'arena' | 'int8'> = {},
  ): Promise<SpeechClassifier> {
    const model = await SpeechModel.open(directory, options)
    if (model.task === 'classification') return new SpeechClassifier(model)
    await model.close()
    throw new UserError(`${directory} holds no classifier but a model for ${model.task}`, {
      code: 'BAD_ARGUMENT',
      remedy: 'use a ...ForSequenceClassification checkpoint',
    })
  }

  get labels(): readonly string[] {
    return this.model.config.classifier.labels
  }

  /** Sounds at the model's rate. */
  async classify(sounds: readonly Float32Array[]): Promise<readonly Classification[]> {
    const { attentionMask } = this.model.waveform
    const batches = attentionMask || sounds.length < 2 ? [sounds] : sounds.map((sound) => [sound])
    const found: Classification[] = []
    for (const batch of batches) found.push(...(await this.run(this.model.prepare(batch))))
    return found
  }

  /** Sounds that are prepared already. */
  async run(batch: SoundBatch): Promise<readonly Classification[]> {
    const results = await this.model.run(batch)
    const values = results.logits?.data as Float32Array
    const classes = this.labels.length
    return this.model.letters(results).map(([best = 0], row) => {
      const logits = values.subarray(row * classes, (row + 1) * classes)
      const top = logits[best] ?? 0
      const total = logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0)
      return { label: this.labels[best] ?? String(best), probability: 1 / total, logits }
    })
  }

  close(): Promise<void> {
    return this.model.close()
  }
}
