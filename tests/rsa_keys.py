"""Fixed RSA primes for tests, so that no test waits for key generation. They are public: never put money on them."""

from __future__ import annotations

from functools import cache

from anonnet.crypto.blind import Method, SecretKey, key_proof

PRIMES = {
    "2048-a": (
        int(
            "e1c73e6224f39e61d5ce79673c9ebe698cd4b49cf8752b6c6f1de8a18c345f875f4da1ccf0d992d516f51036578167f3"
            "4c8cab85e22118d2ca9afd46a52e9507d1c16c24c530d10fb7f1cb5dc5fab700441cf4dc20256d9ff225124fd6ac5dce"
            "f48b712791f26949d705425c7e64852fd825cde4c4b0e786bf41f1b39c707085",
            16,
        ),
        int(
            "d93eab75dcef461a901cb0e5f93dfd197b83e13d17c53cf6ec152c154343bf92ffc290beffca9502845fa939196aab62"
            "e5d0d4d2d984457f26ca19753ec7927cc48bf5f01269aa572612796b118f50209f867bb6057dfd74b0f0a8b4dd1e7c30"
            "ebca9bbdcd544eba946a6498c5b7004c381fb4be000561ef1723d590d608f81b",
            16,
        ),
    ),
    "2048-b": (
        int(
            "db5983a93ea6b2bc845bb46e367828227ca8fc0bb76c310ec041cb77e6605d7abc16062c66eb9d8382eea4b51885d67d"
            "749fee2772ded4c22e64d09fecae6eccb0a158b6a56c639b49cfc6a8895c4d13f112ac8e3e4781cf0752f7ef83d18b28"
            "dd34b8c5c2c7c460fdbedbe80cc3583d6b9a455f337dbe35cec8dbaa1fdc6217",
            16,
        ),
        int(
            "c7eeea7e105a05d1fc6ae782e6e042db5a7ab0ef31e6f1c1aaf7b6de074ffbb2a7e67d9e36d4d6baa29b679e750002f1"
            "d828e30ebb8645f3934bd7144633f125f3d89eafde037ae36ffe7049eb0a02cd50da2ba734a11ca0d6a19c54d1d35a66"
            "f126cdf62bfc7b963cf77840bab682c454a460ce6277f482a78f6a130e2ce8f3",
            16,
        ),
    ),
    "2048-c": (
        int(
            "d666b84c0856335a3dbfb3f9e81efc639b36c43e88e1168319722b982329ce1778551cc08d2b4fb182b3410129f67882"
            "9e32fbf8aafa8133f878ea257eda8469ff5f3ea44235fd1cda217b97c8d92c739fc82a5b1563ad227b1bedf82d296eba"
            "7cdda479dba654dac7a9b046b296c19c1fb8bdf30e2dfa187bb846d93e3a776b",
            16,
        ),
        int(
            "b8d0842644c7a58a7b4c350cd189555f26afbef981e304bfeea2143af0c69a512281783725058d1ec0bca4b232a3ad8f"
            "c1651e1ccb7a4a6a6509f04e5c013251b97bff81e40183ed24f024e569558d7fadc47bfe0a186eb8573e8e56c8591bd5"
            "52746b4b03dd5a35bbf3a556a5f7dce1907864daf0d0908bb75a5e920cde79e1",
            16,
        ),
    ),
    "3072": (
        int(
            "cd84d390e4cfe354367506655c14adf73fc658ffd16c73ce9a9f2ee1f4b3141951b49418bf68b9a6347355acd0ec4a0e"
            "b7e5c015e7da24de8c852f064348248cfec50a745d1fc815645e09a50fa3c8ae75a5affbceedf601717ae53c4808779b"
            "eccfb1356e3f548e759b4104f286742b95639738ab71583de54336f7cb9ea5d2b661ae9e798aebdb7943d2925bc9eeff"
            "cc4e39e56357accbf5a11fc9856955b28dc8d759596de9df9f1ffbd60094b805a69120c120edaba8401fb6336075a5b9",
            16,
        ),
        int(
            "bf8204f3193ccc0ff04b86bcdbf370e6a746a123663604e1ac9b223a53768674e5dc26ba4215997a73ff12f1b750ffd6"
            "4ca36e572fe8a9f19be447104ba982d9e5b0a103df0e6778e5e9e85eb89fee05d9773a91da8d52ec56916bbe49d16c7a"
            "dca5ec1c752183889bc6af7d9d4a8146131833b714e2d288fe0c7a5cda686bfdd1dbee90a6e5c752ec7b41f6ee496b87"
            "3d24f690ebc6a8adb3ab6713855e23f45fc7547f47ed6f8e25cc697d6a2599ee702761944ef92c3ad782ac99e008e42d",
            16,
        ),
    ),
    "4096": (
        int(
            "f51a06bca7a4f46cc0cbc94c1dffe4824a635b7bd13685bd94ee7cf3bc8ec2bfc00f7665f8e3f3a7a8cbbed199c066f6"
            "46c830e9b17900443c6201d2589261f898910a5f5021f4d26d1fd9d81ca02f95536b02eed6affa3601768ed5375605bd"
            "4b56424e798adcda714fdcc609ee7a7e98a87fc8298183791aa052c19e98e78dcc40b99f186cbb6d959cc36a1ce4a291"
            "b5e597800dbf0ae045617fc6d706b52300f5cafb6dd3b76f5731e21c86a986703690f936b18de5d59863acffc074839c"
            "9195dbf7d7b8026ac5d04f902a9a36c3c51c6e095d539fd206d5333715b243d6b4ce0ab8973c2ee680c3ec6f9342e9fb"
            "ff4db2b2e7032a409603fd1a3281b033",
            16,
        ),
        int(
            "e9b53472246e39627e58548c505e53516fbee4fecc10bb900a8eca62d36b5dafb5cbbfa9aa7c0965761417dc82d5d58a"
            "51cf59fbe533eb2e151a6cca30fee28032745dcb537fad035f27f02be4e1d2e6b52cdeaabaf843dbce7af01a92755276"
            "a1924f3d8eb0efd52267bfe3041c0dde6d14730400886f3abfe518af9d6d88a836e7f541403f0e0bfcf0a80dfa506337"
            "f98f73249ecd6066d33e15600c3138bac5d0889a6694f72286ab366bc928865071451ce6a16eb4111949b6bfaf470391"
            "79c86fe69c1d8a6d5a1509e15e23f0a8b087430cace30169413e0b0362e7ac42d8f110607b43da4bb9260895694f0946"
            "352964adbf2dbeb69fe9e4950f614307",
            16,
        ),
    ),
    "2048-e3": (
        int(
            "e32e7f181a7f7159bf7b12e3b1efdb3723eabf6d8217083bbcdc4202db3d724135ec080ed79b90df303d4bc880f6f444"
            "cf4faab0cecd114be6e5296f89a9ba2848d3194890b57300de0dd2f565713b89c0735372964c491e1e66656b737ac4b0"
            "7716a1b914c9fdfca19d553476b31ffdcee6a6d2e64fdbfbcf88fa5d84dd6e6b",
            16,
        ),
        int(
            "ccf002eba0aa50a57722ac1331284069ffa70875272d3168651de236177401cfe4c0d47809127429aa3299173b07e4f9"
            "60962ea0198c5880b7c9397cdfed4af77bf681af7c8f347c9adf93a0daa73ed04c4f85d89020db28e4aaf68028b63970"
            "cdfa0b68c702413ad07a69a2fa26605a92a26fdbfffc378ec4babe033d390d47",
            16,
        ),
    ),
}
NAMES_2048 = ("2048-a", "2048-b", "2048-c")


@cache
def brand_key(name: str, method: Method = Method.PSS_DETERMINISTIC) -> SecretKey:
    """Return the key called `name` for `method`: "2048-e3" for the full-domain hash, the others for RSABSSA."""
    return SecretKey.from_primes(method, *PRIMES[name])


@cache
def brand_proof(name: str) -> tuple[bytes, ...]:
    """Return the key proof of a key for RSABSSA."""
    return key_proof(brand_key(name))
