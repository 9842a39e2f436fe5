/** Public keys in messages: 33 bytes that are a point of the curve, so that who reads on may take their address. */
import { UserError } from '../errors.js'
import { addressOfPublicKey } from './address.js'
import { bytes, type Schema } from './cbor-schema.js'
import { PUBLIC_KEY_BYTES } from './peer-id.js'

const ofLength = bytes({ length: PUBLIC_KEY_BYTES })

export const publicKeySchema: Schema<Uint8Array> = {
  read: (value, path) => {
    const key = ofLength.read(value, path)
    try {
      addressOfPublicKey(key)
    } catch (cause) {
      throw new UserError(`${path} is no public key`, { code: 'BAD_MESSAGE', cause })
    }
    return key
  },
}
