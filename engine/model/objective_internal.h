/* Shared by the steps of the methods: objective.c (the proposed method) and baselines.c. */
#ifndef GS_ENGINE_MODEL_OBJECTIVE_INTERNAL_H
#define GS_ENGINE_MODEL_OBJECTIVE_INTERNAL_H

#include "engine/model/objective.h"

void gs__step_add_part(gs_step *step, gs_term term, gs_tensor *loss, double scale);

/* Batch norms follow the images that inference sees, the source images, and not generated ones. */
gs_pass gs__step_pass(gs_step *step, gs_pass_kind kind);

/* Segments the annotated images of step->source and adds the segmentation loss. */
void gs__step_segment(gs_graph *graph, const gs_network *network, gs_step *step);
/* The segmentation loss of the first `annotated` samples of step->probability. */
void gs__step_segmentation_loss(gs_graph *graph, const gs_network *network, gs_step *step);

/* The parts of a term from `first` on, as parts of what is differentiated; returns how many. */
int gs__step_collect(const gs_step *step, gs_term term, int first, gs_loss_term *terms);

/* The gradient and the update of what is trained, and of the moving average. */
void gs__step_finish(gs_graph *graph, const gs_network *network, gs_step *step);

void gs__step_autoencoder(gs_graph *graph, const gs_network *network, gs_step *step);
void gs__step_mean_teacher(gs_graph *graph, const gs_network *network, gs_step *step);

/* The estimate, and the estimator's gradient and update, where the objective has it. Reads
 * step->source.code, of which the first `pairs` samples are of presence images. */
void gs__step_information(gs_graph *graph, const gs_network *network, gs_step *step);

#endif
