"""The changes of notebook 03's modules that a test must notice; `tests.mutations` runs them with its own."""

from __future__ import annotations

from tests.mutations import Mutation

LAYERS, FOLDERS, VGG, PETS = (f"tests/test_{name}.py" for name in ("layers", "folders", "vgg16", "pets"))
ACTIVATIONS, SONAR, UNET, NODULES = (f"tests/test_{name}.py" for name in ("activations", "sonar", "unet", "nodules"))
EVALUATION, DIAGNOSTICS, HEAD = (f"tests/test_{name}.py" for name in ("evaluation", "diagnostics", "pets_head"))

BY_HAND = (
    Mutation("convolution not flipped", "layers.py", "mirrored), np.flip(kernel), stride", "mirrored), kernel, stride",
             (f"{LAYERS}::test_convolve_equals_scipy_in_two_dimensions",)),
    Mutation("running average the other way round", "layers.py",
             "momentum * np.asarray(old) + (1 - momentum) * np.asarray(new)",
             "momentum * np.asarray(new) + (1 - momentum) * np.asarray(old)",
             (f"{LAYERS}::test_batch_norm_equals_keras_in_training_and_afterwards",)),
    Mutation("batch variance divided by n - 1", "layers.py", "np.var(x, axis=axes)", "np.var(x, axis=axes, ddof=1)",
             (f"{LAYERS}::test_batch_norm_equals_keras_in_training_and_afterwards",)),
    Mutation("softmax over the batch", "layers.py", "powers.sum(axis=axis,", "powers.sum(axis=0,",
             (f"{LAYERS}::test_dense_and_softmax_equal_keras",)),
    Mutation("softmax without its maximum", "layers.py", "np.exp(scaled - scaled.max(axis=axis, keepdims=True))",
             "np.exp(scaled)", (f"{LAYERS}::test_bytes_do_not_wrap_and_softmax_does_not_overflow",)),
    Mutation("padding counted in the mean", "layers.py", "filler=np.nan", "filler=0.0",
             (f"{LAYERS}::test_pooling_equals_keras",)),
    Mutation("noise of the sigmoid's width, not variance", "activations.py", "np.sqrt(sigmoid(x)) * noise",
             "sigmoid(x) * noise", (f"{ACTIVATIONS}::test_noise_of_noisy_relu_has_the_variance_of_the_sigmoid",)),
    Mutation("ELU saturates at -1", "activations.py", "x, alpha * np.expm1(", "x, np.expm1(",
             (f"{ACTIVATIONS}::test_equal_to_keras_activations", f"{ACTIVATIONS}::test_values_known_by_heart")),
)  # fmt: skip

JUDGING = (
    Mutation("scaler fitted on all rows", "many_seeds.py", 'X if standardise == "leaky" else X[split.train]', "X",
             (f"{SONAR}::test_no_network_sees_a_test_row",)),
    Mutation("labels counted backwards", "many_seeds.py", "    return truth\n\n\ndef _scaled",
             "    return 1 - truth\n\n\ndef _scaled", (f"{SONAR}",)),
    Mutation("first row of data lost as header", "sonar.py", "return not known and any(map(_is_word, others)) and all(",
             "return True or all(", (f"{SONAR}::test_own_table_with_and_without_header",)),
    Mutation("stratification dropped", "evaluation.py", "import GroupShuffleSplit, StratifiedShuffleSplit",
             "import GroupShuffleSplit, ShuffleSplit as StratifiedShuffleSplit", (EVALUATION,)),
    Mutation("groups torn apart", "evaluation.py", "import GroupShuffleSplit, StratifiedShuffleSplit",
             "import ShuffleSplit as GroupShuffleSplit, StratifiedShuffleSplit", (EVALUATION,)),
    Mutation("splits taken for independent", "evaluation.py", "1 / len(d) + test_share / (1 - test_share)",
             "1 / len(d)", (EVALUATION,)),
    Mutation("sensitivity and specificity swapped", "diagnostics.py", "tn, fp, fn, tp = metrics",
             "tp, fn, fp, tn = metrics", (DIAGNOSTICS,)),
    Mutation("cases drawn instead of patients", "diagnostics.py", "if groups is None else np.asarray(groups)",
             "if True else groups", (DIAGNOSTICS,)),
    Mutation("patients split by slice", "diagnostics.py", "cv=grouped, groups=", "cv=mixed, groups=", (DIAGNOSTICS,)),
    Mutation("temperature the wrong way", "diagnostics.py", "-np.log(p / (1 - p)) / temperature",
             "-np.log(p / (1 - p)) * temperature", (DIAGNOSTICS,)),
    Mutation("calibration bins not weighted", "diagnostics.py", "count * np.abs(predicted - observed)) / len(truth)",
             "np.abs(predicted - observed)) / len(count)", (DIAGNOSTICS,)),
)  # fmt: skip

PICTURES = (
    Mutation("class numbers backwards", "folders.py", "[number] * len(good)", "[len(classes) - 1 - number] * len(good)",
             (FOLDERS,)),
    Mutation("labels in another order than pictures", "folders.py", "labels.append(self.labels[index])",
             "labels.append(self.labels[len(labels)])", (FOLDERS,)),
    Mutation("a class without pictures goes through", "folders.py", "        if number not in labels:",
             "        if False:", (HEAD, PETS, VGG)),
    Mutation("RGB left as it is", "vgg_network.py", 'np.array(MEAN_RGB, "float32"), axis=-1)',
             'np.array(MEAN_RGB, "float32"), axis=())', (f"{VGG}::test_preprocessing_layer_on_constant_pictures",)),
    Mutation("mean not subtracted", "vgg_network.py", ' - np.array(MEAN_RGB, "float32")', "",
             (f"{VGG}::test_preprocessing_layer_on_constant_pictures",)),
    Mutation("frozen part left open", "vgg_network.py", "body.trainable = False", "body.trainable = True", (VGG,)),
    Mutation("features not mirrored", "vgg_features.py", "pixels[:, ::-1] if mirror else pixels", "pixels", (VGG,)),
    Mutation("mirrored features under the same key", "vgg_features.py", '"-mirrored" if mirror else ""', '""', (VGG,)),
    Mutation("features in the order of computing", "vgg_features.py", "np.array(sorted(rows), int)",
             "np.array(list(rows), int)", (VGG,)),
    Mutation("cache key without the network", "vgg16.py", 'f"{self._state}-{self.precision}"', "self.name", (VGG,)),
    Mutation("checksum ignored", "vgg_weights.py", "if found != checksum.lower():", "if False:",
             (f"{VGG}::test_checksum_refuses_a_wrong_file",)),
    Mutation("head of another network accepted", "vgg16.py", "if str(body) != self._state:", "if False:", (VGG,)),
    Mutation("least probable class first", "vgg16.py", "np.argsort(-table", "np.argsort(table", (VGG,)),
    Mutation("written in place", "vgg_features.py", 'path.with_name(f".{path.name}.{uuid4().hex[:12]}.part")',
             "path; part.unlink(missing_ok=True)", (VGG,)),
    Mutation("mirror image forgotten", "pets.py", "(pictures, np.ascontiguousarray(pictures[:, :, ::-1]))",
             "(pictures, pictures)", (f"{PETS}::test_mirror_image_gets_the_same_answer",)),
    Mutation("cat is dog", "pets.py", "logits[:, 0] - logits[:, 1]", "logits[:, 1] - logits[:, 0]", (PETS,)),
    Mutation("temperature of the weights forgotten", "pets.py", " / stored.temperature))", "))", (PETS,)),
    Mutation("left-out pictures shift the others", "pets.py", "kept.append(index)", "kept.append(len(kept))", (PETS,)),
    Mutation("other weights accepted", "pets_network.py",
             "if sha256 and hashlib.sha256(content).hexdigest() != sha256:", "if False:", (PETS,)),
    Mutation("bridge around two convolutions forgotten", "pets_network.py", "([x, y])", "([y, y])", (PETS, HEAD)),
    Mutation("unusual textures pass", "pets_neither.py", "np.stack([unsure, unlike, unusual], 1)",
             "np.stack([unsure, unlike, 0 * unusual], 1)", (HEAD,)),
)  # fmt: skip

LUNGS = (
    Mutation("mask stays where it was", "unet_training.py", "ndimage.affine_transform(mask, **move) >= 0.5", "mask",
             (f"{UNET}::test_variation_moves_picture_and_mask_together",)),
    Mutation("half a pixel off on the way back", "unet.py", "(np.arange(n) - (n - 1) / 2) * s",
             "(np.arange(n) - n / 2) * s", (UNET,)),
    Mutation("overlap counted once", "unet.py", "2 * (a & b).sum(axes)", "(a & b).sum(axes)", (UNET,)),
    Mutation("small pieces stay", "unet.py", "size >= share * size.max()", "size > 0",
             (f"{UNET}::test_small_pieces_apart_are_dropped_two_lungs_and_thin_tips_stay",)),
    Mutation("patients alike", "phantom/patients.py", "nodules=nodules, variation=variation)", "nodules=nodules)",
             (UNET,)),
    Mutation("coronal and sagittal swapped", "nodules.py", "(-down, zero, across), (-down, across, zero))",
             "(-down, across, zero), (-down, zero, across))", (NODULES,)),
    Mutation("voxels taken for millimetres", "nodules.py", "c + offset / s", "c + offset", (NODULES,)),
    Mutation("a nodule found twice counts twice", "nodules.py", "found.add((scan, hit))",
             "found.add((scan, hit, len(x)))", (f"{NODULES}::test_froc_by_hand",)),
)  # fmt: skip

MUTATIONS = (*BY_HAND, *JUDGING, *PICTURES, *LUNGS)
