/** Sound for a model's process. */
import { samplesOfPcm16 } from '../../ml/audio/pcm16.js'

/** Mono samples in [-1, 1]. */
export interface Sound {
  readonly samples: Float32Array
  /** Hz. */
  readonly sampleRate: number
}

/** The same as jobs bring it, 16-bit little-endian: half as many bytes to hand over, and unpacked on the far side. */
export interface PackedSound {
  readonly pcm16: Uint8Array
  readonly sampleRate: number
}

export function unpacked(sound: Sound | PackedSound): Sound {
  return 'samples' in sound ? sound : { samples: samplesOfPcm16(sound.pcm16), sampleRate: sound.sampleRate }
}
