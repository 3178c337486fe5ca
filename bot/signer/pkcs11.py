"""A key in an HSM, through PKCS#11 (`pip install isthmus[hsm]`). The key is made in the device and cannot be read."""

from __future__ import annotations

from typing import Any

from bot.signer.remote import DeviceError

_SCALAR_BYTES = 32
_POINT_BYTES = 65
_OCTETS = 0x04


class Token:
    """The private key labelled `label` of the token named `token`, behind the PKCS#11 library at `module`."""

    def __init__(self, module: str, token: str, label: str, pin: str) -> None:
        """Opens a session with `pin`. Raises `DeviceError`."""
        try:
            import pkcs11
        except ImportError:
            raise DeviceError("PKCS#11 needs the package python-pkcs11; run: pip install isthmus[hsm]") from None
        self._mechanism = pkcs11.Mechanism.ECDSA
        self._failed: tuple[type[Exception], ...] = (pkcs11.exceptions.PKCS11Error, RuntimeError)
        try:
            session = pkcs11.lib(module).get_token(token_label=token).open(user_pin=pin)
            self._private: Any = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
            public: Any = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=label)
            self._point = _unwrapped(public[pkcs11.Attribute.EC_POINT])
        except self._failed as error:
            raise DeviceError(f"token {token!r} of {module}: {type(error).__name__} {error}".strip()) from None

    def public_key(self) -> bytes:
        """The public point. Raises `DeviceError`."""
        return self._point

    def sign_digest(self, digest: bytes) -> tuple[int, int]:
        """r and s over `digest`. Raises `DeviceError`."""
        try:
            signature = bytes(self._private.sign(digest, mechanism=self._mechanism))
        except self._failed as error:
            raise DeviceError(f"the token does not sign: {type(error).__name__} {error}".strip()) from None
        if len(signature) != 2 * _SCALAR_BYTES:
            raise DeviceError(f"the token's signature has {len(signature)} bytes; one of secp256k1 has 64")
        return tuple(int.from_bytes(signature[at : at + _SCALAR_BYTES], "big") for at in (0, _SCALAR_BYTES))  # type: ignore[return-value]


def _unwrapped(point: bytes) -> bytes:
    """The point inside the DER octet string that PKCS#11 has it in."""
    if len(point) != _POINT_BYTES + 2 or point[:2] != bytes((_OCTETS, _POINT_BYTES)):
        raise DeviceError("the token's key is not on the curve secp256k1")
    return point[2:]
